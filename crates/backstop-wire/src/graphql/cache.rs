//! Documents read before, by their exact text. Agents send the same few again and again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Document, Refused};

/// A bounded memory of documents. What is refused is not remembered.
#[derive(Debug)]
pub struct Documents {
    known: Mutex<Known>,
    most: usize,
}

#[derive(Debug, Default)]
struct Known {
    /// Those used since the last turn, and those of the turn before.
    young: HashMap<Box<str>, Arc<Document>>,
    old: HashMap<Box<str>, Arc<Document>>,
    /// The bytes of the young ones' texts.
    bytes: usize,
}

impl Documents {
    /// Remembers documents of up to twice `most` bytes of text together; none that is longer than a sixteenth of it.
    ///
    /// A document in memory takes some tens of times its text at worst.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            known: Mutex::default(),
            most,
        }
    }

    /// The document of `text`, remembered or read.
    ///
    /// # Errors
    ///
    /// As [`Document::parse`].
    pub fn read(&self, text: &str) -> Result<Arc<Document>, Refused> {
        if let Some(known) = self.find(text) {
            return Ok(known);
        }
        let document = Arc::new(Document::parse(text)?);
        if text.len() <= self.most / 16 {
            let mut known = self.lock();
            known.put(self.most, text.into(), Arc::clone(&document));
        }
        Ok(document)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, text: &str) -> Option<Arc<Document>> {
        let mut known = self.lock();
        if let Some(document) = known.young.get(text) {
            return Some(Arc::clone(document));
        }
        let (text, document) = known.old.remove_entry(text)?;
        known.put(self.most, text, Arc::clone(&document));
        Some(document)
    }
}

impl Known {
    fn put(&mut self, most: usize, text: Box<str>, document: Arc<Document>) {
        if self.bytes + text.len() > most {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes += text.len();
        self.young.insert(text, document);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_kept_and_the_rest_goes() {
        // Sixteen texts of 40 bytes in each turn.
        let documents = Documents::new(16 * 40);
        let text = |name: &str| format!("{{ {name}{} }}", " ".repeat(35));
        let first = documents.read(&text("a")).unwrap();
        for round in 0..40 {
            documents
                .read(&format!("{{ c{round:02}{} }}", " ".repeat(33)))
                .unwrap();
            documents.read(&text("a")).unwrap();
        }
        assert!(Arc::ptr_eq(&first, &documents.read(&text("a")).unwrap()));
        let known = documents.known.lock().unwrap();
        assert!(
            known.young.len() + known.old.len() <= 32,
            "{}",
            known.young.len()
        );
        assert!(
            !known
                .young
                .contains_key(format!("{{ c00{} }}", " ".repeat(33)).as_str())
        );
    }

    #[test]
    fn long_ones_and_refused_ones_are_not_kept() {
        let documents = Documents::new(16 * 40);
        for _ in 0..2 {
            assert!(documents.read("{ a").is_err());
            assert!(
                documents
                    .read(&format!("{{ a{} }}", " ".repeat(100)))
                    .is_ok()
            );
        }
        assert!(documents.known.lock().unwrap().young.is_empty());
    }
}

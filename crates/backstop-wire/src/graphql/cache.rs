//! Documents read before, by their exact text. Agents send the same few again and again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

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
}

/// Longer texts are not worth the room.
const LONGEST: usize = 16 * 1024;

impl Documents {
    /// Remembers between `most` and twice as many documents of up to 16 KiB.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            known: Mutex::default(),
            most: most.max(1),
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
        if text.len() <= LONGEST {
            self.keep(text.into(), Arc::clone(&document));
        }
        Ok(document)
    }

    fn find(&self, text: &str) -> Option<Arc<Document>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(document) = known.young.get(text) {
            return Some(Arc::clone(document));
        }
        let (text, document) = known.old.remove_entry(text)?;
        self.put(&mut known, text, Arc::clone(&document));
        Some(document)
    }

    fn keep(&self, text: Box<str>, document: Arc<Document>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        self.put(&mut known, text, document);
    }

    fn put(&self, known: &mut Known, text: Box<str>, document: Arc<Document>) {
        if known.young.len() >= self.most {
            known.old = std::mem::take(&mut known.young);
        }
        known.young.insert(text, document);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_kept_and_the_rest_goes() {
        let documents = Documents::new(2);
        let first = documents.read("{ a }").unwrap();
        for other in ["{ b }", "{ c }", "{ a }", "{ d }", "{ e }", "{ a }"] {
            documents.read(other).unwrap();
        }
        assert!(Arc::ptr_eq(&first, &documents.read("{ a }").unwrap()));
        let known = documents.known.lock().unwrap();
        assert!(known.young.len() + known.old.len() <= 4);
        assert!(!known.old.contains_key("{ b }") && !known.young.contains_key("{ b }"));
    }

    #[test]
    fn what_is_refused_is_refused_again() {
        let documents = Documents::new(2);
        for _ in 0..2 {
            assert!(documents.read("{ a").is_err());
        }
    }
}

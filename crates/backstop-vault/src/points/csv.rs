//! What `psql --csv` prints, read back.

use super::question::Row;

/// The rows of an answer. Fields that are `null`, unquoted, are NULL.
pub(crate) fn rows(answer: &[u8], null: &str) -> Vec<Row> {
    let text = String::from_utf8_lossy(answer);
    let mut rows = Vec::new();
    let mut row = Row::new();
    let mut field = String::new();
    let mut letters = text.chars().peekable();
    let mut begun = false;
    let end = |field: &mut String| {
        let whole = std::mem::take(field);
        (whole != null).then_some(whole)
    };
    while let Some(letter) = letters.next() {
        begun = true;
        match letter {
            '"' => quoted(&mut letters, &mut field),
            ',' => row.push(end(&mut field)),
            '\n' => {
                row.push(end(&mut field));
                rows.push(std::mem::take(&mut row));
                begun = false;
            }
            other => field.push(other),
        }
    }
    if begun {
        row.push(end(&mut field));
        rows.push(row);
    }
    rows
}

/// Reads on to the quote that ends a field; two quotes are one in it.
fn quoted(letters: &mut std::iter::Peekable<std::str::Chars<'_>>, field: &mut String) {
    while let Some(letter) = letters.next() {
        if letter != '"' {
            field.push(letter);
        } else if letters.peek() == Some(&'"') {
            letters.next();
            field.push('"');
        } else {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_comes_back_and_null_is_not_empty() {
        let answer = b"a,,nil\n\"x,\"\"y\"\"\nz\",b,c\n";
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            rows(answer, "nil"),
            vec![
                vec![some("a"), some(""), None],
                vec![some("x,\"y\"\nz"), some("b"), some("c")],
            ]
        );
        assert_eq!(rows(b"", "nil"), Vec::<Row>::new());
        assert_eq!(rows(b"\n", "nil"), vec![vec![some("")]]);
    }
}

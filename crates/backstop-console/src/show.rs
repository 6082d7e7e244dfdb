//! Statements as a person can trust their eyes with: what is invisible, reorders text, or only looks like
//! another letter stands there with its number, and what destroys is marked.
//!
//! Nothing is left out, nothing is shortened.

/// How a piece of text is to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// As it is.
    Plain,
    /// Only by its number: it has no shape, or changes the shape of others.
    Hidden,
    /// As it is, with its number: outside of a literal only ASCII is expected.
    Foreign,
}

/// A run of text shown in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    kind: Kind,
    destroys: bool,
    /// What to show; for [`Kind::Hidden`] the number alone.
    pub(crate) text: String,
    /// The number of a [`Kind::Foreign`] letter.
    pub(crate) number: String,
}

impl Piece {
    /// The class in the style sheet.
    pub(crate) const fn class(&self) -> &'static str {
        match (self.kind, self.destroys) {
            (Kind::Plain, false) => "",
            (Kind::Plain, true) => "destroys",
            (Kind::Hidden, false) => "hidden-char",
            (Kind::Hidden, true) => "hidden-char destroys",
            (Kind::Foreign, false) => "foreign",
            (Kind::Foreign, true) => "foreign destroys",
        }
    }
}

/// A SQL statement, with the byte ranges that destroy.
pub(crate) fn sql(text: &str, destructive: &[(usize, usize)]) -> Vec<Piece> {
    let mut lexer = Lexer::default();
    let mut pieces = Pieces::default();
    for (at, c) in text.char_indices() {
        let rest = text.get(at..).unwrap_or_default();
        let in_literal = lexer.step(c, rest);
        let destroys = destructive
            .iter()
            .any(|(from, to)| (*from..*to).contains(&at));
        pieces.push(c, kind(c, !in_literal), destroys);
    }
    pieces.done
}

/// Names of objects, and sentences made of them: every letter beyond ASCII is marked.
pub(crate) fn names(text: &str) -> Vec<Piece> {
    let mut pieces = Pieces::default();
    for c in text.chars() {
        pieces.push(c, kind(c, true), false);
    }
    pieces.done
}

/// Any other text: only what is invisible or reorders is marked.
pub(crate) fn plain(text: &str) -> Vec<Piece> {
    let mut pieces = Pieces::default();
    for c in text.chars() {
        pieces.push(c, kind(c, false), false);
    }
    pieces.done
}

/// The parts of `text` that destroy, each as a text of its own; all of it when a range does not fit.
pub(crate) fn fragments(text: &str, destructive: &[(usize, usize)]) -> Vec<Vec<Piece>> {
    let parts: Option<Vec<&str>> = destructive
        .iter()
        .map(|(from, to)| text.get(*from..*to))
        .collect();
    parts
        .unwrap_or_else(|| vec![text])
        .into_iter()
        .map(|part| sql(part, &[]))
        .collect()
}

/// Whether anything in the pieces is marked as hidden or foreign.
pub(crate) fn has_marks(pieces: &[Piece]) -> bool {
    pieces.iter().any(|piece| piece.kind != Kind::Plain)
}

fn kind(c: char, ascii_expected: bool) -> Kind {
    match c {
        '\n' | '\t' => Kind::Plain,
        _ if is_unseen(c) => Kind::Hidden,
        _ if ascii_expected && !c.is_ascii() => Kind::Foreign,
        _ => Kind::Plain,
    }
}

/// Control, format, bidirectional, default-ignorable, private and unassigned-looking characters, and every
/// space but the plain one: whatever has no ink of its own.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(u32::from(c),
            0x00AD | 0x034F | 0x061C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x2000..=0x200F
            | 0x2028..=0x202F | 0x205F..=0x206F | 0x2800 | 0x3164 | 0xE000..=0xF8FF | 0xFE00..=0xFE0F | 0xFEFF
            | 0xFFA0 | 0xFFF0..=0xFFFF | 0x1_BCA0..=0x1_BCA3 | 0x1_D173..=0x1_D17A | 0xE_0000..=0x10_FFFF)
}

#[derive(Default)]
struct Pieces {
    done: Vec<Piece>,
}

impl Pieces {
    fn push(&mut self, c: char, kind: Kind, destroys: bool) {
        let number = format!("U+{:04X}", u32::from(c));
        match (kind, self.done.last_mut()) {
            (Kind::Plain, Some(last)) if last.kind == Kind::Plain && last.destroys == destroys => {
                last.text.push(c)
            }
            (Kind::Hidden, _) => self.done.push(Piece {
                kind,
                destroys,
                text: number,
                number: String::new(),
            }),
            (Kind::Foreign, _) => self.done.push(Piece {
                kind,
                destroys,
                text: c.to_string(),
                number,
            }),
            (Kind::Plain, _) => {
                self.done.push(Piece {
                    kind,
                    destroys,
                    text: c.to_string(),
                    number: String::new(),
                });
            }
        }
    }
}

/// Knows just enough of SQL to tell a string literal from everything else. When in doubt it is not one: then
/// more is marked, never less.
#[derive(Default)]
struct Lexer {
    within: Within,
    before: [char; 2],
    skip: usize,
}

#[derive(Default, PartialEq, Eq)]
enum Within {
    #[default]
    Code,
    Literal {
        escapes: bool,
    },
    Name,
    Line,
    Block(u32),
    Dollar(String),
}

impl Lexer {
    /// Takes `c`, the first of `rest`, and says whether it is inside a string literal.
    fn step(&mut self, c: char, rest: &str) -> bool {
        let in_literal = matches!(self.within, Within::Literal { .. });
        if self.skip > 0 {
            self.skip -= 1;
        } else {
            self.turn(c, rest);
        }
        self.before = [self.before[1], c];
        in_literal
    }

    fn turn(&mut self, c: char, rest: &str) {
        let followed_by = |text: &str| {
            rest.get(c.len_utf8()..)
                .is_some_and(|next| next.starts_with(text))
        };
        match (&mut self.within, c) {
            (Within::Code, '\'') => {
                let [before, last] = self.before;
                let escapes =
                    matches!(last, 'e' | 'E') && !(before.is_alphanumeric() || before == '_');
                self.within = Within::Literal { escapes };
            }
            (Within::Code, '"') => self.within = Within::Name,
            (Within::Code, '-') if followed_by("-") => self.within = Within::Line,
            (Within::Code, '/') if followed_by("*") => self.open_block(1),
            (Within::Code, '$') => self.open_dollar(rest),
            (Within::Literal { escapes: true }, '\\') => self.skip = 1,
            (Within::Literal { .. }, '\'') if followed_by("'") => self.skip = 1,
            (Within::Literal { .. }, '\'') | (Within::Name, '"') | (Within::Line, '\n') => {
                self.within = Within::Code
            }
            (Within::Block(depth), '/') if followed_by("*") => {
                let depth = *depth + 1;
                self.open_block(depth);
            }
            (Within::Block(depth), '*') if followed_by("/") => {
                self.within = if *depth > 1 {
                    Within::Block(*depth - 1)
                } else {
                    Within::Code
                };
                self.skip = 1;
            }
            (Within::Dollar(tag), '$') if rest.starts_with(tag.as_str()) => {
                self.skip = tag.chars().count() - 1;
                self.within = Within::Code;
            }
            _ => {}
        }
    }

    fn open_block(&mut self, depth: u32) {
        self.within = Within::Block(depth);
        self.skip = 1;
    }

    fn open_dollar(&mut self, rest: &str) {
        let Some((tag, _)) = rest.get(1..).and_then(|tail| tail.split_once('$')) else {
            return;
        };
        let digit_first = tag.starts_with(|c: char| c.is_ascii_digit());
        let name = self.before[1].is_alphanumeric() || self.before[1] == '_';
        if !digit_first && !name && tag.chars().all(|c| c.is_alphanumeric() || c == '_') {
            self.skip = tag.chars().count() + 1;
            self.within = Within::Dollar(format!("${tag}$"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{…}` hidden, `<…>` foreign, `[…]` destroys.
    fn spelled(pieces: &[Piece]) -> String {
        pieces
            .iter()
            .map(|piece| match piece.class() {
                "" => piece.text.clone(),
                "destroys" => format!("[{}]", piece.text),
                "foreign" => format!("<{}={}>", piece.text, piece.number),
                "hidden-char" => format!("{{{}}}", piece.text),
                other => panic!("{other}"),
            })
            .collect()
    }

    #[test]
    fn what_deceives_the_eye_is_numbered() {
        for (text, shown) in [
            ("SELECT 1;\n\tSELECT 2", "SELECT 1;\n\tSELECT 2"),
            (
                "DROP TABLE us\u{0435}rs",
                "DROP TABLE us<\u{0435}=U+0435>rs",
            ),
            ("SELECT 'Zürich'", "SELECT 'Zürich'"),
            ("SELECT 'it''s ü' , ü", "SELECT 'it''s ü' , <ü=U+00FC>"),
            (r"SELECT E'\'ü', ü", r"SELECT E'\'ü', <ü=U+00FC>"),
            (r"SELECT '\', ü", r"SELECT '\', <ü=U+00FC>"),
            (r"SELECT somee'\', ü", r"SELECT somee'\', <ü=U+00FC>"),
            ("SELECT \"ü'\", 'ü'", "SELECT \"<ü=U+00FC>'\", 'ü'"),
            ("-- it's ü\n'ü'", "-- it's <ü=U+00FC>\n'ü'"),
            ("/* ' /* ü */ ' */ 'ü'", "/* ' /* <ü=U+00FC> */ ' */ 'ü'"),
            ("$a$ ' ü $a$ 'ü'", "$a$ ' <ü=U+00FC> $a$ 'ü'"),
            ("SELECT $1, 'ü', $2", "SELECT $1, 'ü', $2"),
            (
                "a\u{202E}b'\u{202E}\u{200B}\u{FEFF}'",
                "a{U+202E}b'{U+202E}{U+200B}{U+FEFF}'",
            ),
            (
                "a\r\n\u{0}\u{1b}[2J\u{a0}b",
                "a{U+000D}\n{U+0000}{U+001B}[2J{U+00A0}b",
            ),
            ("'\u{e0041}\u{2028}'", "'{U+E0041}{U+2028}'"),
        ] {
            assert_eq!(spelled(&sql(text, &[])), shown);
        }
    }

    #[test]
    fn what_destroys_is_marked_and_nothing_is_lost() {
        let text = "WITH x AS (DELETE FROM a RETURNING *) SELECT * FROM x";
        assert_eq!(
            spelled(&sql(text, &[(11, 36)])),
            "WITH x AS ([DELETE FROM a RETURNING *]) SELECT * FROM x"
        );
        let parts = fragments(text, &[(11, 36), (0, 4)]);
        assert_eq!(
            parts.iter().map(|p| spelled(p)).collect::<Vec<_>>(),
            ["DELETE FROM a RETURNING *", "WITH"]
        );
    }

    #[test]
    fn a_range_that_does_not_fit_shows_everything() {
        assert_eq!(fragments("DROP TABLE ü", &[(0, 12)]).len(), 1);
        assert_eq!(spelled(&fragments("DROP", &[(0, 99)])[0]), "DROP");
        assert!(fragments("SELECT 1", &[]).is_empty());
    }

    #[test]
    fn other_text_is_only_freed_of_the_invisible() {
        assert_eq!(spelled(&plain("Jürgen\u{202e}x")), "Jürgen{U+202E}x");
        assert_eq!(spelled(&names("it's p\u{430}y")), "it's p<\u{430}=U+0430>y");
        assert!(has_marks(&plain("a\u{200b}")) && !has_marks(&plain("ä b\nc")));
    }
}

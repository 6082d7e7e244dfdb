//! What a tab is looked at with.
//!
//! It must not know pages: sizes and colours only.

/// A screen's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// 1280 × 900, a mouse.
    Desktop,
    /// 390 × 844, three device pixels each, touched.
    Phone,
}

/// What the person's system prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// `prefers-color-scheme: light`.
    Light,
    /// `prefers-color-scheme: dark`.
    Dark,
}

impl Screen {
    /// Width and height in CSS pixels.
    pub(super) fn size(self) -> (i64, i64) {
        match self {
            Self::Desktop => (1280, 900),
            Self::Phone => (390, 844),
        }
    }

    /// Device pixels in a CSS pixel.
    pub(super) fn density(self) -> f64 {
        match self {
            Self::Desktop => 1.0,
            Self::Phone => 3.0,
        }
    }

    pub(super) fn is_phone(self) -> bool {
        self == Self::Phone
    }
}

impl Colours {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

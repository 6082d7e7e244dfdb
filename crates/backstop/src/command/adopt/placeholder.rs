//! A text shaped like a secret that is none: the same length, the same alphabet, what tells its kind, and no more.

/// Beginnings that tell a kind of token and are the same in every token of it. The longest that fits counts.
const BEGINNINGS: &[&str] = &[
    "AIza",
    "AKIA",
    "ASIA",
    "EAAA",
    "FlyV1 fm1_",
    "FlyV1 fm2_",
    "GOCSPX-",
    "HRKU-",
    "SG.",
    "dapi",
    "dckr_pat_",
    "doo_v1_",
    "dop_v1_",
    "dor_v1_",
    "dp.pt.",
    "eyJ",
    "fm1_",
    "fm2_",
    "fo1_",
    "ghp_",
    "gho_",
    "ghr_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "gldt-",
    "glpat-",
    "glptt-",
    "glrt-",
    "glsa_",
    "hf_",
    "hvs.",
    "key-",
    "lin_api_",
    "napi_",
    "npm_",
    "nfp_",
    "pk_live_",
    "pk_test_",
    "pscale_pw_",
    "pscale_tkn_",
    "pypi-",
    "rk_live_",
    "rk_test_",
    "rnd_",
    "sb_publishable_",
    "sb_secret_",
    "sbp_",
    "shpat_",
    "sk-",
    "sk-ant-",
    "sk-proj-",
    "sk_live_",
    "sk_test_",
    "sntrys_",
    "tfp_",
    "vcp_",
    "whsec_",
    "xapp-",
    "xoxb-",
    "xoxp-",
];

/// The placeholder of `secret`. No character of the secret's own is in it but separators and its kind's beginning.
pub(super) fn of(secret: &str) -> String {
    let beginning = BEGINNINGS
        .iter()
        .filter(|b| secret.starts_with(**b) && secret.len() > b.len())
        .max_by_key(|b| b.len())
        .copied()
        .unwrap_or_default();
    let rest = secret.strip_prefix(beginning).unwrap_or(secret);
    let hexadecimal = rest
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .all(|c| c.is_ascii_hexdigit());
    let masked = rest.chars().map(|c| match c {
        c if hexadecimal && c.is_ascii_alphanumeric() => '0',
        'A'..='Z' => 'X',
        c if c.is_ascii_alphanumeric() => 'x',
        '-' | '_' | '.' | ':' | '=' => c,
        // What a person chose may be any character: none of it is kept.
        _ => 'x',
    });
    beginning.chars().chain(masked).collect()
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn nothing_of_the_secret_is_left_but_its_shape() {
        for (secret, wanted) in [
            ("ghp_Ab3dEf6hIj9lMn2p", "ghp_XxxxXxxxXxxxXxxx"),
            (
                "7d1f6a52-3c0b-4e91-9a44-b0c5d2e81f37",
                "00000000-0000-0000-0000-000000000000",
            ),
            ("sk-ant-q9Zr", "sk-ant-xxXx"),
            ("correct horse!", "xxxxxxxxxxxxxx"),
            ("ghp_", "xxx_"),
        ] {
            assert_eq!(of(secret), wanted);
            assert_eq!(of(secret).chars().count(), secret.chars().count());
            assert_eq!(of(&of(secret)), of(secret));
        }
    }
}

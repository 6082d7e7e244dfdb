#[test]
fn placeholder_is_replaced() {
    assert_eq!(1 + 1, 2);
}

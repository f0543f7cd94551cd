//! Looking up by name.

use super::*;

#[derive(Debug, PartialEq)]
struct Entry(&'static str);

impl Named for Entry {
    fn name(&self) -> &'static str {
        self.0
    }
}

#[test]
fn an_entry_is_found_by_its_exact_name() {
    let registry = [Entry("magnitude"), Entry("wanda")];
    let found = look_up("criterion", &registry, "wanda").unwrap();
    assert!(std::ptr::eq(found, &registry[1]));
    for name in ["Wanda", "wanda ", "wand", ""] {
        assert!(look_up("criterion", &registry, name).is_err(), "{name}");
    }
}

#[test]
fn an_unknown_name_is_told_with_those_that_exist() {
    let registry = [Entry("magnitude"), Entry("wanda")];
    let error = look_up("criterion", &registry, "size").unwrap_err();
    assert!(matches!(error, Error::UnknownName { .. }), "{error:?}");
    let expected = "there is no criterion named \"size\"; the names are magnitude, wanda";
    assert_eq!(error.to_string(), expected);
    assert!(look_up::<Entry>("criterion", &[], "size").is_err());
}

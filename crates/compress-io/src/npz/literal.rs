//! The header's text: a dictionary as Python writes it.

use compress_core::{Error, Result};

/// The most axes that numpy has.
const MOST_AXES: usize = 64;

/// What the dictionary says.
#[derive(Debug, PartialEq)]
pub(super) struct Said {
    pub(super) descr: String,
    pub(super) fortran_order: bool,
    pub(super) shape: Vec<usize>,
}

/// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`, in any order of its keys.
pub(super) fn parse(text: &str) -> Result<Said> {
    let mut from = Text { text, at: 0 };
    let (mut descr, mut fortran_order, mut shape) = (None, None, None);
    from.expect("{")?;
    while !from.take("}") {
        let key = from.quoted()?;
        from.expect(":")?;
        let is_new = match key {
            "descr" => descr.replace(from.quoted()?.to_owned()).is_none(),
            "fortran_order" => fortran_order.replace(from.boolean()?).is_none(),
            "shape" => shape.replace(from.tuple()?).is_none(),
            _ => return Err(from.error(&format!("the key {key:?} is unknown"))),
        };
        if !is_new {
            return Err(from.error(&format!("the key {key:?} is there twice")));
        }
        if !from.take(",") {
            from.expect("}")?;
            break;
        }
    }
    from.skip();
    if from.at < text.len() {
        return Err(from.error("there is text behind the dictionary"));
    }
    match (descr, fortran_order, shape) {
        (Some(descr), Some(fortran_order), Some(shape)) => Ok(Said {
            descr,
            fortran_order,
            shape,
        }),
        _ => Err(from.error("one of 'descr', 'fortran_order' and 'shape' is missing")),
    }
}

/// A place in a text.
struct Text<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Text<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn error(&self, reason: &str) -> Error {
        let (offset, reason) = (self.at, format!("in the header's text, {reason}"));
        Error::Format { offset, reason }
    }

    fn skip(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Goes past `mark` if it is next.
    fn take(&mut self, mark: &str) -> bool {
        self.skip();
        let is_next = self.rest().starts_with(mark);
        self.at += if is_next { mark.len() } else { 0 };
        is_next
    }

    fn expect(&mut self, mark: &str) -> Result<()> {
        match self.take(mark) {
            true => Ok(()),
            false => Err(self.error(&format!("{mark:?} is expected"))),
        }
    }

    fn quoted(&mut self) -> Result<&'a str> {
        let quote = ["'", "\""].into_iter().find(|quote| self.take(quote));
        let Some(quote) = quote else {
            return Err(
                self.error("a text in quotes is expected; types of several fields are not read")
            );
        };
        let rest = self.rest();
        let Some(end) = rest.find(quote) else {
            return Err(self.error("a quote does not end"));
        };
        self.at += end + 1;
        Ok(&rest[..end])
    }

    fn boolean(&mut self) -> Result<bool> {
        match (self.take("True"), self.take("False")) {
            (true, false) => Ok(true),
            (false, true) => Ok(false),
            _ => Err(self.error("True or False is expected")),
        }
    }

    fn tuple(&mut self) -> Result<Vec<usize>> {
        let mut numbers = Vec::new();
        self.expect("(")?;
        while !self.take(")") {
            if numbers.len() == MOST_AXES {
                return Err(self.error(&format!("there are more than {MOST_AXES} axes")));
            }
            self.skip();
            let rest = self.rest();
            let end = rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len());
            let number = rest[..end].parse();
            numbers.push(number.map_err(|_| self.error("a length is expected"))?);
            self.at += end;
            if !self.take(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_python_writes_is_read_and_nothing_else() {
        let said =
            parse("{'shape': (3, 40,), \"descr\": '>c8', 'fortran_order': True}  \n").unwrap();
        assert_eq!((said.shape, said.fortran_order), (vec![3, 40], true));
        assert_eq!(said.descr, ">c8");
        let with = |shape: &str| {
            parse(&format!(
                "{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
            ))
        };
        assert_eq!(with("()").unwrap().shape, Vec::<usize>::new());
        assert_eq!(with("(7,)").unwrap().shape, [7]);
        let long = format!("({})", "1,".repeat(65));
        for bad in [
            "(-1,)",
            "(1 2)",
            "(1.5,)",
            "(99999999999999999999999,)",
            "[1]",
            "(1",
            &long,
        ] {
            assert!(with(bad).is_err(), "{bad}");
        }
        for bad in [
            "",
            "{",
            "{}",
            "{'descr': [('a', '<f4')]}",
            "{'other': True}",
            "{'descr': 'ü",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}

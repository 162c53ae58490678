//! The subscribers file's own little CSV: two columns, a header, quotes only around a whole column.

use std::collections::HashMap;

use super::{LineError, LineProblem, Secret, Subscriber};

/// Reads a list of subscribers: the header `token,number`, then one subscriber a line.
///
/// A byte order mark, CRLF, blank lines, spaces around a column and quotes around a whole column are tolerated.
///
/// # Errors
/// [`LineError`] with the line and what is wrong with it; it never holds a token.
pub fn parse(text: &str) -> Result<Vec<Subscriber>, LineError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let mut lines = numbered.filter(|(_, line)| !line.is_empty());
    let (line, header) = lines.next().ok_or(LineError { line: 1, problem: LineProblem::Empty })?;
    check_header(header).map_err(|problem| LineError { line, problem })?;

    let mut list = Subscribers::default();
    let mut last = line;
    for (line, text) in lines {
        last = line;
        list.add(line, text).map_err(|problem| LineError { line, problem })?;
    }
    if list.all.is_empty() {
        return Err(LineError { line: last, problem: LineProblem::Empty });
    }
    Ok(list.all)
}

fn check_header(line: &str) -> Result<(), LineProblem> {
    let columns = columns(line)?;
    match columns.as_slice() {
        ["token", "number"] => Ok(()),
        ["login", "password", ..] => Err(LineProblem::CredentialsNotSupported),
        _ => Err(LineProblem::NoHeader),
    }
}

/// The list so far, and on which line each token and number stood.
#[derive(Default)]
struct Subscribers<'a> {
    all: Vec<Subscriber>,
    tokens: HashMap<&'a str, usize>,
    numbers: HashMap<&'a str, usize>,
}

impl<'a> Subscribers<'a> {
    fn add(&mut self, line: usize, text: &'a str) -> Result<(), LineProblem> {
        let columns = columns(text)?;
        let &[token, number] = columns.as_slice() else {
            return Err(LineProblem::Columns(columns.len()));
        };
        for (column, value) in [("token", token), ("number", number)] {
            if value.is_empty() {
                return Err(LineProblem::EmptyColumn(column));
            }
            if value.chars().any(|char| char.is_whitespace() || char.is_control()) {
                return Err(LineProblem::Space(column));
            }
        }
        if let Some(first) = self.tokens.insert(token, line) {
            return Err(LineProblem::Duplicate { column: "token", first });
        }
        if let Some(first) = self.numbers.insert(number, line) {
            return Err(LineProblem::Duplicate { column: "number", first });
        }
        self.all.push(Subscriber { token: Secret::new(token), number: number.to_owned() });
        Ok(())
    }
}

fn columns(line: &str) -> Result<Vec<&str>, LineProblem> {
    line.split(',').map(|column| unquoted(column.trim())).collect()
}

fn unquoted(column: &str) -> Result<&str, LineProblem> {
    let inner = column.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(column);
    if inner.contains('"') { Err(LineProblem::Quote) } else { Ok(inner.trim()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> (usize, LineProblem) {
        let error = parse(text).expect_err("refused");
        (error.line, error.problem)
    }

    #[test]
    fn a_byte_order_mark_crlf_blank_lines_and_whole_quotes_are_tolerated() {
        let list = parse("\u{feff}token,number\r\n\r\n\"a\" , 1001\r\nb,\"+1002\"\r\n\r\n").expect("a list");
        assert_eq!(list.len(), 2);
        assert_eq!((list[0].token.expose(), list[0].number.as_str()), ("a", "1001"));
        assert_eq!(list[1].number, "+1002");
    }

    #[test]
    fn an_empty_list_is_refused() {
        assert_eq!(problem(""), (1, LineProblem::Empty));
        assert_eq!(problem("token,number\n\n"), (1, LineProblem::Empty));
    }

    #[test]
    fn the_header_is_required_and_credentials_are_refused_by_name() {
        assert_eq!(problem("a,1\n"), (1, LineProblem::NoHeader));
        assert_eq!(problem("login,password\na,b\n"), (1, LineProblem::CredentialsNotSupported));
        assert_eq!(problem("login,password,number\na,b,1\n"), (1, LineProblem::CredentialsNotSupported));
    }

    #[test]
    fn a_broken_line_is_named() {
        assert_eq!(problem("token,number\na\n"), (2, LineProblem::Columns(1)));
        assert_eq!(problem("token,number\na,1,x\n"), (2, LineProblem::Columns(3)));
        assert_eq!(problem("token,number\na,1\n,2\n"), (3, LineProblem::EmptyColumn("token")));
        assert_eq!(problem("token,number\na,\n"), (2, LineProblem::EmptyColumn("number")));
        assert_eq!(problem("token,number\na b,1\n"), (2, LineProblem::Space("token")));
        assert_eq!(problem("token,number\n\"a\"\"b\",1\n"), (2, LineProblem::Quote));
        assert_eq!(problem("token,number\n\"a,b\",1\n"), (2, LineProblem::Quote));
    }

    #[test]
    fn a_token_or_number_that_appears_twice_is_refused_with_both_lines() {
        let twice = |column| LineProblem::Duplicate { column, first: 2 };
        assert_eq!(problem("token,number\na,1\nb,2\na,3\n"), (4, twice("token")));
        assert_eq!(problem("token,number\na,1\nb,1\n"), (3, twice("number")));
    }
}

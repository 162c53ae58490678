//! The subscribers file's own little CSV: two or three columns, a header, quotes only around a whole column.

use std::borrow::Cow;
use std::collections::HashMap;

use super::{Credentials, LineError, LineProblem, Secret, Subscriber, SubscriberList};

/// Reads a list of subscribers: the header `token,number` or `login,password[,number]`, then one subscriber a line.
///
/// A byte order mark, CRLF, blank lines, spaces around a column and quotes around a whole column are tolerated. Within
/// the quotes of a `login,password` list a comma stands for itself and two quotes for one, as passwords may have both.
///
/// # Errors
/// [`LineError`] with the line and what is wrong with it; it never holds a token or a password.
pub fn parse(text: &str) -> Result<SubscriberList, LineError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let mut lines = numbered.filter(|(_, line)| !line.is_empty());
    let (line, header) = lines.next().ok_or(LineError { line: 1, problem: LineProblem::Empty })?;
    let columns = header_columns(header).map_err(|problem| LineError { line, problem })?;

    let mut tokens = Subscribers::default();
    let mut credentials = Logins::default();
    let mut last = line;
    for (line, text) in lines {
        last = line;
        let added = match columns {
            Columns::Token => tokens.add(line, text),
            Columns::Login { has_number } => credentials.add(line, text, has_number),
        };
        added.map_err(|problem| LineError { line, problem })?;
    }
    let list = match columns {
        Columns::Token => SubscriberList::Tokens(tokens.all),
        Columns::Login { .. } => SubscriberList::Credentials(credentials.all),
    };
    if list.is_empty() {
        return Err(LineError { line: last, problem: LineProblem::Empty });
    }
    Ok(list)
}

/// What the header names.
#[derive(Clone, Copy)]
enum Columns {
    Token,
    Login { has_number: bool },
}

fn header_columns(line: &str) -> Result<Columns, LineProblem> {
    let columns = columns(line)?;
    match columns.as_slice() {
        ["token", "number"] => Ok(Columns::Token),
        ["login", "password"] => Ok(Columns::Login { has_number: false }),
        ["login", "password", "number"] => Ok(Columns::Login { has_number: true }),
        _ => Err(LineProblem::NoHeader),
    }
}

/// That `value` can stand in a column of tokens, numbers or logins.
fn check_word(column: &'static str, value: &str) -> Result<(), LineProblem> {
    if value.is_empty() {
        return Err(LineProblem::EmptyColumn(column));
    }
    if value.chars().any(|char| char.is_whitespace() || char.is_control()) {
        return Err(LineProblem::Space(column));
    }
    Ok(())
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
            check_word(column, value)?;
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

/// The logins so far, and on which line each login and number stood.
#[derive(Default)]
struct Logins<'a> {
    all: Vec<Credentials>,
    logins: HashMap<Cow<'a, str>, usize>,
    numbers: HashMap<Cow<'a, str>, usize>,
}

impl<'a> Logins<'a> {
    fn add(&mut self, line: usize, text: &'a str, has_number: bool) -> Result<(), LineProblem> {
        let mut columns = quoted_columns(text)?.into_iter();
        let count = columns.len();
        if count != 2 + usize::from(has_number) {
            return Err(LineProblem::LoginColumns { found: count, needed: 2 + usize::from(has_number) });
        }
        let (login, password) = (columns.next().unwrap_or_default(), columns.next().unwrap_or_default());
        let number = columns.next().filter(|number| !number.is_empty());
        check_word("login", &login)?;
        number.as_ref().map_or(Ok(()), |number| check_word("number", number))?;
        if password.is_empty() {
            return Err(LineProblem::EmptyColumn("password"));
        }
        if password.chars().any(char::is_control) {
            return Err(LineProblem::Control("password"));
        }
        self.all.push(Credentials {
            login: login.clone().into_owned(),
            password: Secret::new(password),
            number: number.clone().map(Cow::into_owned),
        });
        if let Some(first) = self.logins.insert(login, line) {
            return Err(LineProblem::Duplicate { column: "login", first });
        }
        match number.and_then(|number| self.numbers.insert(number, line)) {
            Some(first) => Err(LineProblem::Duplicate { column: "number", first }),
            None => Ok(()),
        }
    }
}

/// The columns of a line in which quotes may enclose commas and quotes (RFC 4180).
fn quoted_columns(line: &str) -> Result<Vec<Cow<'_, str>>, LineProblem> {
    let mut columns = Vec::new();
    let mut rest = Some(line);
    while let Some(text) = rest {
        let text = text.trim_start();
        let (column, after) = match text.strip_prefix('"') {
            Some(inner) => {
                let (value, after) = enclosed(inner)?;
                let after = after.trim_start();
                if !after.is_empty() && !after.starts_with(',') {
                    return Err(LineProblem::Quote);
                }
                (Cow::Owned(value), after.strip_prefix(','))
            }
            None => {
                let (value, after) =
                    text.split_once(',').map_or((text, None), |(value, rest)| (value, Some(rest)));
                if value.contains('"') {
                    return Err(LineProblem::Quote);
                }
                (Cow::Borrowed(value.trim()), after)
            }
        };
        columns.push(column);
        rest = after;
    }
    Ok(columns)
}

/// What stands before the closing quote, and what comes behind it.
fn enclosed(text: &str) -> Result<(String, &str), LineProblem> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"').ok_or(LineProblem::Quote)?;
        value.push_str(before);
        match after.strip_prefix('"') {
            Some(after) => {
                value.push('"');
                rest = after;
            }
            None => return Ok((value, after)),
        }
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
        let text = "\u{feff}token,number\r\n\r\n\"a\" , 1001\r\nb,\"+1002\"\r\n\r\n";
        let Ok(SubscriberList::Tokens(list)) = parse(text) else { panic!("a list of tokens") };
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
    fn the_header_is_required() {
        assert_eq!(problem("a,1\n"), (1, LineProblem::NoHeader));
        assert_eq!(problem("login,number\na,b\n"), (1, LineProblem::NoHeader));
        assert_eq!(problem("login,password,number,more\na,b,1\n"), (1, LineProblem::NoHeader));
    }

    fn credentials(text: &str) -> Vec<(String, String, Option<String>)> {
        let Ok(SubscriberList::Credentials(list)) = parse(text) else { panic!("a list of logins: {text}") };
        let fields =
            |one: &Credentials| (one.login.clone(), one.password.expose().to_owned(), one.number.clone());
        list.iter().map(fields).collect()
    }

    #[test]
    fn credentials_are_read_with_a_number_and_without() {
        let row = |login: &str, password: &str, number: Option<&str>| {
            (login.to_owned(), password.to_owned(), number.map(str::to_owned))
        };
        let without = credentials("login,password\r\nanna, pass word \r\n");
        assert_eq!(without, [row("anna", "pass word", None)]);
        let with = credentials("login,password,number\na,same,1\nb,same,\nc,\"x, \"\"y\"\"\" ,3\n");
        let expected = [row("a", "same", Some("1")), row("b", "same", None), row("c", "x, \"y\"", Some("3"))];
        assert_eq!(with, expected);
    }

    #[test]
    fn a_broken_line_of_credentials_is_named() {
        let found = |line: &str| problem(&format!("login,password,number\na,b,1\n{line}\n"));
        let columns = |found| LineProblem::LoginColumns { found, needed: 3 };
        assert_eq!(found("c,d"), (3, columns(2)));
        assert_eq!(found("c,d,2,x"), (3, columns(4)));
        assert_eq!(found(",d,2"), (3, LineProblem::EmptyColumn("login")));
        assert_eq!(found("c,,2"), (3, LineProblem::EmptyColumn("password")));
        assert_eq!(found("c c,d,2"), (3, LineProblem::Space("login")));
        assert_eq!(found("c,d\u{7},2"), (3, LineProblem::Control("password")));
        assert_eq!(found("c,d\"e,2"), (3, LineProblem::Quote));
        assert_eq!(found("c,\"d,2"), (3, LineProblem::Quote));
        assert_eq!(found("c,\"d\"e,2"), (3, LineProblem::Quote));
        assert_eq!(found("a,d,2"), (3, LineProblem::Duplicate { column: "login", first: 2 }));
        assert_eq!(found("c,d,1"), (3, LineProblem::Duplicate { column: "number", first: 2 }));
        assert_eq!(problem("login,password\n"), (1, LineProblem::Empty));
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

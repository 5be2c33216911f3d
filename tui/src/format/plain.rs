//! For programs: redis-cli's raw form (`--raw`, and whenever its output is a pipe) and `--csv`.

use redis_cluster::protocol::{Value, number, quote};

/// Appends the bytes of a value, without anything after it; elements of arrays have `between` between them.
pub fn raw(out: &mut Vec<u8>, value: &Value, between: &[u8]) {
    match value {
        Value::Null => {}
        Value::Error(bytes)
        | Value::Simple(bytes)
        | Value::Bulk(bytes)
        | Value::Verbatim(_, bytes)
        | Value::BigNumber(bytes) => out.extend_from_slice(bytes),
        Value::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Double(number) => out.extend_from_slice(number::format_double(*number).as_bytes()),
        Value::Boolean(truth) => out.extend_from_slice(if *truth { b"(true)" } else { b"(false)" }),
        Value::Array(elements) | Value::Set(elements) | Value::Push(elements) => {
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(between);
                }
                raw(out, element, between);
            }
        }
        Value::Map(pairs) => {
            for (index, (key, value)) in pairs.iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(between);
                }
                raw(out, key, between);
                out.push(b' ');
                raw(out, value, between);
            }
        }
    }
}

/// Appends a value as comma-separated values: everything inside it in one flat line.
pub fn csv(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"NULL"),
        Value::Error(text) => {
            out.extend_from_slice(b"ERROR,");
            out.extend_from_slice(quote::repr(text).as_bytes());
        }
        Value::Simple(bytes) | Value::Bulk(bytes) | Value::Verbatim(_, bytes) => {
            out.extend_from_slice(quote::repr(bytes).as_bytes());
        }
        Value::BigNumber(digits) => out.extend_from_slice(digits),
        Value::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Double(number) => out.extend_from_slice(number::format_double(*number).as_bytes()),
        Value::Boolean(truth) => out.extend_from_slice(if *truth { b"true" } else { b"false" }),
        Value::Array(elements) | Value::Set(elements) | Value::Push(elements) => {
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                csv(out, element);
            }
        }
        Value::Map(pairs) => {
            for (index, (key, value)) in pairs.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                csv(out, key);
                out.push(b',');
                csv(out, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_and_csv() {
        let resp = b"*4\r\n$2\r\na,\r\n$-1\r\n*2\r\n:1\r\n+x\r\n-ERR e\r\n";
        let (value, _) = Value::decode(resp).unwrap().unwrap();
        let mut out = Vec::new();
        raw(&mut out, &value, b"\n");
        assert_eq!(out, b"a,\n\n1\nx\nERR e");
        out.clear();
        csv(&mut out, &value);
        assert_eq!(out, br#""a,",NULL,1,"x",ERROR,"ERR e""#);
    }
}

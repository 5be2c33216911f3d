//! Names of keys as a tree: a branch for each beginning up to a separator that more than one key has. Pure.

use std::collections::BTreeSet;

/// A row of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Row<'a> {
    /// Keys that begin the same, up to and with a separator.
    Branch {
        /// That beginning.
        prefix: &'a [u8],
        /// How deep it stands.
        depth: usize,
        /// How many keys were found below.
        keys: usize,
        /// Its rows are shown.
        is_open: bool,
    },
    /// A key.
    Leaf {
        /// Its name.
        key: &'a [u8],
        /// How deep it stands.
        depth: usize,
    },
}

/// Rows of the tree of `keys`, which are sorted and there once; rows below a branch only where it is open.
#[must_use]
pub(super) fn rows<'a>(keys: &'a [Vec<u8>], open: &BTreeSet<Vec<u8>>, separator: u8) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    push(keys, 0, 0, open, separator, &mut rows);
    rows
}

fn push<'a>(
    keys: &'a [Vec<u8>],
    from: usize,
    depth: usize,
    open: &BTreeSet<Vec<u8>>,
    separator: u8,
    rows: &mut Vec<Row<'a>>,
) {
    let mut left = keys;
    while let Some(key) = left.first() {
        let branch = key[from..].iter().position(|&byte| byte == separator).map(|at| &key[..=from + at]);
        let count = branch.map_or(1, |prefix| left.partition_point(|other| other.starts_with(prefix)));
        let (these, others) = left.split_at(count);
        left = others;
        match branch {
            Some(prefix) if count > 1 => {
                let is_open = open.contains(prefix);
                rows.push(Row::Branch { prefix, depth, keys: count, is_open });
                if is_open {
                    push(these, prefix.len(), depth + 1, open, separator, rows);
                }
            }
            _ => rows.push(Row::Leaf { key, depth }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drawn(keys: &[&str], open: &[&str]) -> Vec<String> {
        let mut keys: Vec<Vec<u8>> = keys.iter().map(|key| key.as_bytes().to_vec()).collect();
        keys.sort();
        let open = open.iter().map(|prefix| prefix.as_bytes().to_vec()).collect();
        rows(&keys, &open, b':')
            .iter()
            .map(|row| match row {
                Row::Branch { prefix, depth, keys, .. } => {
                    format!("{}{} ({keys})", " ".repeat(*depth), String::from_utf8_lossy(prefix))
                }
                Row::Leaf { key, depth } => {
                    format!("{}{}", " ".repeat(*depth), String::from_utf8_lossy(key))
                }
            })
            .collect()
    }

    #[test]
    fn what_begins_alike_is_a_branch_and_what_stands_alone_is_not() {
        let keys = ["user:1:name", "user:1:age", "user:2:name", "job:7", "plain", "user:"];
        assert_eq!(drawn(&keys, &[]), ["job:7", "plain", "user: (4)"]);
        assert_eq!(
            drawn(&keys, &["user:", "user:1:"]),
            [
                "job:7",
                "plain",
                "user: (4)",
                " user:",
                " user:1: (2)",
                "  user:1:age",
                "  user:1:name",
                " user:2:name"
            ]
        );
    }

    proptest! {
        #[test]
        fn every_key_is_there_once(keys in proptest::collection::btree_set("[a:b]{0,6}", 0..20)) {
            let keys: Vec<Vec<u8>> = keys.into_iter().map(String::into_bytes).collect();
            let open: BTreeSet<Vec<u8>> =
                keys.iter().flat_map(|key| (0..=key.len()).map(|end| key[..end].to_vec())).collect();
            let mut leaves: Vec<&[u8]> = Vec::new();
            for row in rows(&keys, &open, b':') {
                if let Row::Leaf { key, .. } = row {
                    leaves.push(key);
                }
            }
            prop_assert_eq!(leaves, keys.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let closed: usize = rows(&keys, &BTreeSet::new(), b':')
                .iter()
                .map(|row| match row {
                    Row::Branch { keys, .. } => *keys,
                    Row::Leaf { .. } => 1,
                })
                .sum();
            prop_assert_eq!(closed, keys.len());
        }
    }
}

//! What is kept of a request until it is answered: enough to say later which it was.

use std::sync::Arc;

use crate::{
    command::Spec,
    connection::secrets,
    protocol::{Request, quote},
    proxy::clients::ClientInfo,
};

/// Arguments that are kept of a request, and bytes of each.
const ARGUMENTS_MAX: usize = 32;
const BYTES_MAX: usize = 128;

/// See the module.
#[derive(Debug)]
pub(in crate::proxy) struct Note {
    pub(in crate::proxy) spec: &'static Spec,
    client: Option<Arc<ClientInfo>>,
    /// Where each argument ends in `text`, and how many bytes of it were left out.
    ends: Vec<(u16, usize)>,
    text: Vec<u8>,
    /// Arguments that were left out.
    more: usize,
    /// The table says that it may take its node long.
    pub(in crate::proxy) may_be_slow: bool,
    /// The key, if the request was chosen to learn how large its reply is.
    pub(in crate::proxy) key: Option<Box<[u8]>>,
}

impl Note {
    /// Of a request; what nobody may see is not kept.
    pub(in crate::proxy) fn new(
        spec: &'static Spec,
        request: &Request<'_>,
        client: &Arc<ClientInfo>,
        may_be_slow: bool,
        key: Option<&[u8]>,
    ) -> Self {
        let kept = request.len().min(ARGUMENTS_MAX);
        let mut note = Self {
            spec,
            client: Some(Arc::clone(client)),
            ends: Vec::with_capacity(kept),
            text: Vec::with_capacity(kept * 16),
            more: request.len() - kept,
            may_be_slow,
            key: key.map(Box::from),
        };
        for argument in secrets::shown(request).take(kept) {
            let cut = &argument[..argument.len().min(BYTES_MAX)];
            note.text.extend_from_slice(cut);
            let end = u16::try_from(note.text.len()).expect("32 times 128 bytes at most");
            note.ends.push((end, argument.len() - cut.len()));
        }
        note
    }

    /// `IP:PORT` of its client.
    pub(in crate::proxy) fn client_address(&self) -> Option<String> {
        self.client.as_ref().map(|client| client.address())
    }

    /// The request in quotes, and how much of it is not shown.
    pub(in crate::proxy) fn command(&self) -> String {
        let mut line = String::new();
        let mut from = 0;
        for &(end, more) in &self.ends {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&quote::repr(&self.text[from..usize::from(end)]));
            if more > 0 {
                line.push_str(&format!("... ({more} more bytes)"));
            }
            from = usize::from(end);
        }
        if self.more > 0 {
            line.push_str(&format!(" ... ({} more arguments)", self.more));
        }
        line
    }

    #[cfg(test)]
    pub(in crate::proxy) fn of_test(name: &str) -> Self {
        let spec = crate::command::lookup(name.as_bytes()).expect("a command");
        Self { spec, client: None, ends: Vec::new(), text: Vec::new(), more: 0, may_be_slow: true, key: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{acl::User, protocol::Args, proxy::slab::Slab, time::Millis};

    fn command(words: &[&str]) -> String {
        let args = Args::of(words).unwrap();
        let request = args.request().unwrap();
        let client = crate::proxy::clients::Clients::default().add(
            None,
            (0, Slab::default().insert(())),
            &Arc::new(User::of_everything()),
            Millis(0),
        );
        let spec = crate::command::resolve(&request).unwrap();
        Note::new(spec, &request, &client, true, None).command()
    }

    #[test]
    fn a_request_is_shown_with_what_was_left_out() {
        assert_eq!(command(&["SMEMBERS", "a\nb"]), r#""SMEMBERS" "a\nb""#);
        let long = "x".repeat(200);
        assert_eq!(command(&["GET", &long]), format!("\"GET\" \"{}\"... (72 more bytes)", "x".repeat(128)));
        let mut words = vec!["MGET"];
        words.extend(std::iter::repeat_n("k", 40));
        assert!(command(&words).ends_with(r#""k" "k" ... (9 more arguments)"#));
    }

    #[test]
    fn passwords_are_not_kept() {
        for words in [
            &["AUTH", "hush"][..],
            &["HELLO", "3", "AUTH", "me", "hush"],
            &["CONFIG", "SET", "requirepass", "hush"],
        ] {
            let shown = command(words);
            assert!(shown.contains("(redacted)") && !shown.contains("hush"), "{shown}");
        }
    }
}

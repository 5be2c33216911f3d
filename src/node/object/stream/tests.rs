use proptest::prelude::*;

use super::*;

fn id(ms: u64, seq: u64) -> StreamId {
    StreamId { ms, seq }
}

fn all(stream: &Stream) -> Vec<StreamId> {
    stream.range(StreamId::MIN, StreamId::MAX).map(|entry| entry.id).collect()
}

#[test]
fn ids_have_neighbours() {
    assert_eq!(id(1, u64::MAX).next(), Some(id(2, 0)));
    assert_eq!(id(2, 0).previous(), Some(id(1, u64::MAX)));
    assert_eq!((StreamId::MAX.next(), StreamId::MIN.previous()), (None, None));
    assert_eq!(StreamId::from_bytes(id(7, 9).to_bytes()), id(7, 9));
}

#[test]
fn groups_are_counted() {
    let mut stream = Stream::default();
    assert!(stream.add_group(b"g", Group::new(StreamId::MIN, Some(0))));
    let before = stream.bytes();
    let now = crate::time::Millis(5);
    stream.change_group(b"g", |group| {
        group.add_consumer(b"a", now);
        group.add_consumer(b"b", now);
        group.hand(id(1, 1), b"a", now, 1);
        group.hand(id(1, 1), b"b", now, 2);
        assert!(group.consumers()[&b"a"[..]].pending().is_empty());
        assert_eq!(group.remove_consumer(b"b"), Some(1));
        assert!(group.pending().is_empty());
        assert_eq!(group.remove_consumer(b"a"), Some(0));
    });
    assert_eq!(stream.bytes(), before);
    assert!(stream.remove_group(b"g"));
    assert_eq!(stream.bytes(), 0);
}

proptest! {
    #[test]
    fn like_a_plain_list(steps in prop::collection::vec((0_u8..5, 0_u64..40), 1..200)) {
        let limits = Limits { bytes: 4096, entries: 5 };
        let (mut stream, mut model): (Stream, Vec<StreamId>) = Default::default();
        let mut next = id(1, 0);
        for (kind, number) in steps {
            match kind {
                0..=2 => {
                    next = id(next.ms + number % 2, next.seq + 1 + number);
                    let names: &[(&[u8], &[u8])] = &[(b"a", b"1"), (b"b", b"x")];
                    stream.add(next, names[..1 + usize::from(number == 3)].iter().copied(), limits).unwrap();
                    model.push(next);
                }
                3 => {
                    let victim = model.get(number as usize).copied().unwrap_or(id(0, 1));
                    prop_assert_eq!(stream.delete(victim), model.contains(&victim));
                    model.retain(|&kept| kept != victim);
                }
                _ => {
                    let trim = Trim { keep: Keep::Last(number), whole_chunks: false, limit: 0 };
                    let gone = model.len().saturating_sub(number as usize);
                    prop_assert_eq!(stream.trim(trim), gone as u64);
                    model.drain(..gone);
                }
            }
            prop_assert_eq!(all(&stream), model.clone());
            prop_assert_eq!(stream.len(), model.len() as u64);
            let mut back: Vec<_> = stream.range_back(StreamId::MIN, StreamId::MAX).map(|entry| entry.id).collect();
            back.reverse();
            prop_assert_eq!(back, model.clone());
            prop_assert_eq!(stream.chunk_bytes, stream.chunks.values().map(Chunk::capacity).sum::<usize>());
        }
    }
}

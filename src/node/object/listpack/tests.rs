//! Against a plain vector of strings, and against bytes that redis-server made.

use proptest::prelude::*;

use super::*;

fn all(pack: &Listpack) -> Vec<Vec<u8>> {
    let (mut all, mut at) = (Vec::new(), pack.first());
    while at < pack.end() {
        all.push(pack.get(at).to_vec());
        at = pack.next(at);
    }
    all
}

fn all_from_behind(pack: &Listpack) -> Vec<Vec<u8>> {
    let (mut all, mut at) = (Vec::new(), pack.end());
    while at > pack.first() {
        at = pack.previous(at);
        all.push(pack.get(at).to_vec());
    }
    all.reverse();
    all
}

#[test]
fn the_bytes_are_those_of_redis() {
    let mut pack = Listpack::default();
    for element in ["a", "1", "-1", "1000", "70000", "5000000000", "hello"] {
        pack.insert(pack.end(), Element::of(element.as_bytes()));
    }
    // What redis-server 7.0 has in the DUMP of this list.
    let expected = b"\x81a\x02\x01\x01\xdf\xff\x02\xc3\xe8\x02\xf2\x70\x11\x01\x04\xf4\x00\xf2\x05\x2a\x01\x00\x00\x00\x09\x85hello\x06\xff";
    assert_eq!(pack.as_bytes()[HEADER..], expected[..]);
    assert_eq!(pack.as_bytes()[..HEADER], [6 + 34, 0, 0, 0, 7, 0]);
    assert_eq!(pack.count(), 7);
}

#[test]
fn every_length_and_number_comes_back() {
    let lengths =
        [0, 1, 63, 64, 126, 127, 128, 4095, 4096, 16_377, 16_378, 16_379, 20_000, 2_097_144, 2_097_150];
    let numbers = [
        0,
        127,
        128,
        -1,
        4095,
        4096,
        -4096,
        -4097,
        0x7FFF,
        0x8000,
        -0x8000,
        -0x8001,
        0x7F_FFFF,
        0x80_0000,
        -0x80_0000,
        -0x80_0001,
        i64::from(i32::MAX),
        i64::from(i32::MIN),
        i64::from(i32::MAX) + 1,
        i64::MAX,
        i64::MIN,
    ];
    let values: Vec<Vec<u8>> = lengths
        .iter()
        .map(|&len| vec![b'x'; len])
        .chain(numbers.iter().map(|number| number.to_string().into_bytes()))
        .chain(["01", "+1", "-0", " 1", "9223372036854775808"].map(|text| text.as_bytes().to_vec()))
        .collect();
    let mut pack = Listpack::default();
    for value in &values {
        let before = pack.as_bytes().len();
        let element = Element::of(value);
        pack.insert(pack.end(), element);
        assert_eq!(pack.as_bytes().len() - before, element.size());
    }
    assert_eq!(all(&pack), values);
    assert_eq!(all_from_behind(&pack), values);
    assert_eq!(check(pack.as_bytes()), Ok(()));
    for (index, value) in values.iter().enumerate() {
        assert_eq!(pack.get(pack.position(index, values.len())).to_vec(), *value);
    }
}

#[test]
fn more_than_its_header_can_say() {
    let mut pack = Listpack::default();
    for number in 0..70_000_i64 {
        pack.insert(pack.end(), Element::Int(number));
    }
    assert_eq!(pack.count(), 70_000);
    assert_eq!(check(pack.as_bytes()), Ok(()));
    let rest = pack.split(pack.position(10, 70_000));
    assert_eq!((pack.count(), rest.count()), (10, 69_990));
    pack.append(&rest);
    assert_eq!(pack.count(), 70_000);
    pack.remove(pack.first(), 69_000);
    assert_eq!(pack.count(), 1000);
    assert_eq!(pack.as_bytes()[4..6], [0xE8, 0x03]);
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        (-5000_i64..5000).prop_map(|number| number.to_string().into_bytes()),
        proptest::collection::vec(any::<u8>(), 0..80),
        (0_usize..5000).prop_map(|len| vec![b'y'; len]),
    ]
}

proptest! {
    #[test]
    fn behaves_like_a_vector(steps in proptest::collection::vec((0_u8..5, any::<prop::sample::Index>(), value()), 1..80)) {
        let (mut pack, mut model) = (Listpack::default(), Vec::<Vec<u8>>::new());
        for (kind, index, value) in steps {
            let at = |index: usize, pack: &Listpack, model: &Vec<Vec<u8>>| pack.position(index, model.len());
            match kind {
                0 | 1 => {
                    let index = index.index(model.len() + 1);
                    pack.insert(at(index, &pack, &model), Element::of(&value));
                    model.insert(index, value);
                }
                2 if !model.is_empty() => {
                    let index = index.index(model.len());
                    pack.replace(at(index, &pack, &model), Element::of(&value));
                    model[index] = value;
                }
                3 if !model.is_empty() => {
                    let index = index.index(model.len());
                    let count = value.len() % (model.len() - index + 1);
                    pack.remove(at(index, &pack, &model), count);
                    model.drain(index..index + count);
                }
                4 => {
                    let index = index.index(model.len() + 1);
                    let rest = pack.split(at(index, &pack, &model));
                    prop_assert_eq!(all(&rest), &model[index..]);
                    pack.append(&rest);
                }
                _ => {}
            }
            prop_assert_eq!(all(&pack), model.clone());
            prop_assert_eq!(all_from_behind(&pack), model.clone());
            prop_assert_eq!(pack.count(), model.len());
            prop_assert_eq!(check(pack.as_bytes()), Ok(()));
        }
    }

    /// Whatever passes the check can be read from both ends.
    #[test]
    fn what_is_changed_is_noticed_or_harmless(
        values in proptest::collection::vec(value(), 0..6),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut pack = Listpack::default();
        values.iter().for_each(|value| pack.insert(pack.end(), Element::of(value)));
        let mut bytes = pack.as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(pack) = Listpack::from_bytes(bytes) {
            prop_assert_eq!(all(&pack), all_from_behind(&pack));
            prop_assert_eq!(all(&pack).len(), pack.count());
        }
    }
}

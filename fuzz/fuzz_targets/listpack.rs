//! Bytes that pass as a listpack can be read from both ends and edited; others are refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redis_cluster::node::object::{Element, listpack::Listpack};

fuzz_target!(|input: (Vec<u8>, usize, Vec<u8>)| {
    let (bytes, at, value) = input;
    let Ok(mut pack) = Listpack::from_bytes(bytes) else { return };
    let all = |pack: &Listpack| {
        let (mut all, mut at) = (Vec::new(), pack.first());
        while at < pack.end() {
            all.push(pack.get(at).to_vec());
            at = pack.next(at);
        }
        all
    };
    let mut model = all(&pack);
    let mut behind = pack.end();
    for element in model.iter().rev() {
        behind = pack.previous(behind);
        assert_eq!(pack.get(behind).to_vec(), *element);
    }
    assert_eq!(behind, pack.first());
    let at = at % (model.len() + 1);
    pack.insert(pack.position(at, model.len()), Element::of(&value));
    model.insert(at, value);
    assert_eq!(all(&pack), model);
    pack.remove(pack.position(at, model.len()), 1);
    model.remove(at);
    assert_eq!(all(&pack), model);
    assert!(Listpack::from_bytes(pack.as_bytes().to_vec()).is_ok());
});

//! CRC-64 with the polynomial of Jones, as RDB files end with.

/// 0xad93d23594c935a9 with its bits reversed.
const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;

/// `TABLES[k][b]`: the CRC of byte `b` followed by `k` zero bytes, so that eight bytes fold in one step.
static TABLES: [[u64; 256]; 8] = tables();

const fn tables() -> [[u64; 256]; 8] {
    let mut tables = [[0u64; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 != 0 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut k = 1;
    while k < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[k - 1][byte];
            tables[k][byte] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        k += 1;
    }
    tables
}

/// The checksum: bits reflected, initial value 0, nothing inverted.
#[must_use]
pub fn crc64(bytes: &[u8]) -> u64 {
    go_on(0, bytes)
}

/// The checksum of what had `crc` and of these bytes behind it.
#[must_use]
pub fn go_on(crc: u64, bytes: &[u8]) -> u64 {
    let (chunks, rest) = bytes.as_chunks::<8>();
    let crc = chunks.iter().fold(crc, |crc, chunk| {
        let folded = (crc ^ u64::from_le_bytes(*chunk)).to_le_bytes();
        folded.iter().enumerate().fold(0, |sum, (at, &byte)| sum ^ TABLES[7 - at][usize::from(byte)])
    });
    rest.iter().fold(crc, |crc, &byte| (crc >> 8) ^ TABLES[0][usize::from((crc & 0xFF) as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn check_value() {
        assert_eq!(crc64(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }

    proptest! {
        #[test]
        fn folding_eight_bytes_is_folding_one_by_one(bytes: Vec<u8>) {
            let expected = bytes.iter().fold(0u64, |crc, &byte| {
                (0..8).fold(crc ^ u64::from(byte), |crc, _| if crc & 1 != 0 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 })
            });
            prop_assert_eq!(crc64(&bytes), expected);
            let (first, second) = bytes.split_at(bytes.len() / 3);
            prop_assert_eq!(go_on(crc64(first), second), expected);
        }
    }
}

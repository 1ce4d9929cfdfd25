//! SipHash-2-4, the one hash of the project: keyed, short, the same on every machine and version.
//!
//! It makes decision ids, seeded draws, sticky keys and the digest of a shard. Those must be equal
//! under replay, years later and on another processor, so `std`'s hasher, which promises none of
//! that, is not used.

/// A key of 128 bits: secret where strangers choose the input, a fixed constant elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(pub u64, pub u64);

/// The key where nobody chooses the input to our harm and every machine must agree.
pub const FIXED: Key = Key(0x6c65_6164_2d72_6f75, 0x7465_7220_7631_0001);

/// The 64-bit hash.
pub fn sip64(key: Key, bytes: &[u8]) -> u64 {
    let mut state = State::new(key, 0);
    state.absorb(bytes);
    state.v[2] ^= 0xff;
    state.finish()
}

/// The 128-bit hash: the reference's 16 bytes, read as a little-endian number.
pub fn sip128(key: Key, bytes: &[u8]) -> u128 {
    let mut state = State::new(key, 0xee);
    state.absorb(bytes);
    state.v[2] ^= 0xee;
    let low = state.finish();
    state.v[1] ^= 0xdd;
    let high = state.finish();
    u128::from(low) | u128::from(high) << 64
}

/// The 64-bit hash of several parts, each with its length before it, so that ("ab", "c") and
/// ("a", "bc") differ.
pub fn sip64_parts(key: Key, parts: &[&[u8]]) -> u64 {
    sip64(key, &joined(parts))
}

/// The 128-bit hash of several parts, as `sip64_parts`.
pub fn sip128_parts(key: Key, parts: &[&[u8]]) -> u128 {
    sip128(key, &joined(parts))
}

/// A number in [0, 1) from the upper 53 bits of a hash: equal hashes, equal draws.
pub fn unit(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// A UUID (version 8, RFC 9562) of the bytes: the same under replay.
pub fn uuid(bytes: &[u8]) -> String {
    let hash = sip128(FIXED, bytes);
    let hash = hash & !(0xf << 76) & !(0x3 << 62) | 0x8 << 76 | 0x2 << 62;
    let mut text = String::with_capacity(36);
    for (place, byte) in hash.to_be_bytes().into_iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let digits = [byte >> 4, byte & 0xf].map(usize::from);
        digits.into_iter().for_each(|digit| text.push(char::from(DIGITS[digit])));
    }
    text
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    let size = parts.iter().map(|part| part.len() + 8).sum();
    let mut bytes = Vec::with_capacity(size);
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

struct State {
    v: [u64; 4],
}

impl State {
    /// `tweak` tells the 128-bit variant from the 64-bit one.
    fn new(Key(k0, k1): Key, tweak: u64) -> State {
        State {
            v: [
                k0 ^ 0x736f_6d65_7073_6575,
                k1 ^ 0x646f_7261_6e64_6f6d ^ tweak,
                k0 ^ 0x6c79_6765_6e65_7261,
                k1 ^ 0x7465_6462_7974_6573,
            ],
        }
    }

    fn absorb(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        // The last word carries what is left over, and the length in its top byte.
        let mut last = (bytes.len() as u64) << 56;
        for (place, byte) in rest.iter().enumerate() {
            last |= u64::from(*byte) << (8 * place);
        }
        self.word(last);
    }

    fn word(&mut self, word: u64) {
        self.v[3] ^= word;
        self.round();
        self.round();
        self.v[0] ^= word;
    }

    fn finish(&mut self) -> u64 {
        for _ in 0..4 {
            self.round();
        }
        self.v[0] ^ self.v[1] ^ self.v[2] ^ self.v[3]
    }

    fn round(&mut self) {
        let [mut a, mut b, mut c, mut d] = self.v;
        a = a.wrapping_add(b);
        b = b.rotate_left(13) ^ a;
        a = a.rotate_left(32);
        c = c.wrapping_add(d);
        d = d.rotate_left(16) ^ c;
        a = a.wrapping_add(d);
        d = d.rotate_left(21) ^ a;
        c = c.wrapping_add(b);
        b = b.rotate_left(17) ^ c;
        c = c.rotate_left(32);
        self.v = [a, b, c, d];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of the reference's test vectors: bytes 0 to 15.
    const KEY: Key = Key(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);

    fn input(length: u8) -> Vec<u8> {
        (0..length).collect()
    }

    #[test]
    fn sip64_gives_the_reference_vectors() {
        let expected = [
            (0, "310e0edd47db6f72"),
            (15, "e545be4961ca29a1"),
            (16, "db9bc2577fcc2a3f"),
            (63, "724506eb4c328a95"),
        ];
        for (length, hex) in expected {
            let bytes = sip64(KEY, &input(length)).to_le_bytes();
            assert_eq!(to_hex(&bytes), hex, "length {length}");
        }
    }

    #[test]
    fn sip128_gives_the_reference_vectors() {
        let expected = [
            (0, "a3817f04ba25a8e66df67214c7550293"),
            (15, "5493e99933b0a8117e08ec0f97cfc3d9"),
            (16, "6ee2a4ca67b054bbfd3315bf85230577"),
            (63, "5150d1772f50834a503e069a973fbd7c"),
        ];
        for (length, hex) in expected {
            let bytes = sip128(KEY, &input(length)).to_le_bytes();
            assert_eq!(to_hex(&bytes), hex, "length {length}");
        }
    }

    #[test]
    fn parts_are_told_apart() {
        let one = sip64_parts(KEY, &[b"ab", b"c"]);
        let other = sip64_parts(KEY, &[b"a", b"bc"]);
        assert_ne!(one, other);
        assert_ne!(sip128_parts(KEY, &[b"ab", b"c"]), sip128_parts(KEY, &[b"a", b"bc"]));
    }

    #[test]
    fn a_draw_is_below_one() {
        assert_eq!(unit(0), 0.0);
        assert!(unit(u64::MAX) < 1.0);
    }

    fn to_hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

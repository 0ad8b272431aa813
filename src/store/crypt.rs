//! Sealing: how bodies lie in the database, and the keyed hashes of the instance.
//!
//! A body is compressed and, where its row family has a data key, sealed with XChaCha20-Poly1305. The data key is random,
//! one per run (per delivery, per plan), and lies in the row wrapped by the operator's master key, so that rotation
//! re-wraps one row. The first bytes name the key; zero means in the clear, and it was so from the first migration.
//!
//! *Invariant:* what was sealed under one table, installation, row and part opens nowhere else.
//! *Invariant:* a family with a data key accepts no body in the clear: nobody swaps one in.

use std::cell::RefCell;
use std::sync::Arc;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret as _, SecretBox, SecretString};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::Error;
use crate::ids::random_bytes;

/// A body before compression, at most.
pub(super) const BODY_BYTES_MAX: usize = 64 << 20;
/// The shortest text that counts as a key: 32 random bytes in base64 have 44 characters, in hexadecimal 64.
const KEY_CHARS_MIN: usize = 32;
const NONCE_BYTES: usize = 24;
const KEY_ID_BYTES: usize = 4;
const PLAIN: u8 = 0;
const SEALED: u8 = 1;
const LEVEL: i32 = 1;

/// One key of `ENCRYPTION_KEY`.
#[derive(Clone)]
pub struct MasterKey {
    id: [u8; KEY_ID_BYTES],
    key: Arc<SecretBox<[u8; 32]>>,
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MasterKey({})", hex::encode(self.id))
    }
}

impl MasterKey {
    /// Takes 32 random bytes in any spelling: `openssl rand -base64 32`.
    ///
    /// # Errors
    /// When the text is too short to hold them.
    pub fn new(text: &SecretString) -> Result<Self, Error> {
        let text = text.expose_secret().trim();
        if text.len() < KEY_CHARS_MIN {
            return Err(Error::Key("too short; make one with `openssl rand -base64 32`"));
        }
        let key = mac(text.as_bytes(), "pointsman master key", &[]);
        let id = mac(text.as_bytes(), "pointsman master key id", &[]);
        // Zero says "in the clear".
        let id = [id[0] | 1, id[1], id[2], id[3]];
        Ok(Self { id, key: Arc::new(SecretBox::new(Box::new(key))) })
    }
}

/// What a keyed hash is for. Each purpose has a key of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The chain over a run's journal.
    Chain,
    /// Names of blobs.
    Blob,
    /// Hashes of push tokens.
    Token,
    /// `k` of the page of a run.
    Page,
    /// Other unique keys.
    Unique,
}

impl Purpose {
    fn label(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Blob => "blob",
            Self::Token => "token",
            Self::Page => "page",
            Self::Unique => "unique",
        }
    }
}

/// Where a body lies. It is authenticated with the body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// The table.
    pub(super) table: &'static str,
    /// The installation.
    pub(super) installation: i64,
    /// The row family: a run, a delivery, a plan.
    pub(super) row: &'a [u8],
    /// The row's own key within the family: a sequence number, a part, a hash.
    pub(super) part: &'a [u8],
}

impl Place<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(96);
        for piece in [self.table.as_bytes(), &self.installation.to_be_bytes(), self.row, self.part] {
            bytes.extend(u32::try_from(piece.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend(piece);
        }
        bytes
    }

    fn unreadable(&self, why: &'static str) -> Error {
        let what = format!("{} {}/{}/{}", self.table, self.installation, hex::encode(self.row), hex::encode(self.part));
        Error::Unreadable { what, why }
    }
}

/// The key of a row family; none where the family is kept in the clear.
pub(super) struct DataKey(Option<Zeroizing<[u8; 32]>>);

impl DataKey {
    /// Compresses and seals.
    pub(super) fn seal(&self, place: Place<'_>, body: &[u8]) -> Result<Vec<u8>, Error> {
        let packed = pack(body)?;
        let Some(key) = &self.0 else { return Ok([&[PLAIN][..], &packed].concat()) };
        Ok([&[SEALED][..], &encrypt(key, &place.bytes(), &packed)].concat())
    }

    /// Opens what [`DataKey::seal`] made for the same place.
    pub(super) fn open(&self, place: Place<'_>, stored: &[u8]) -> Result<Vec<u8>, Error> {
        match (stored.split_first(), &self.0) {
            (Some((&PLAIN, packed)), None) => unpack(packed).ok_or_else(|| place.unreadable("it is damaged")),
            (Some((&SEALED, sealed)), Some(key)) => {
                let packed = decrypt(key, &place.bytes(), sealed);
                let packed = packed.ok_or_else(|| place.unreadable("it was changed, or sealed for another place"))?;
                unpack(&packed).ok_or_else(|| place.unreadable("it is damaged"))
            }
            (Some((&(PLAIN | SEALED), _)), _) => Err(place.unreadable("its key and its body do not belong together")),
            _ => Err(place.unreadable("its format is of another release")),
        }
    }
}

/// The keys of this instance.
pub(super) struct Crypt {
    masters: Arc<[MasterKey]>,
    secret: Zeroizing<[u8; 32]>,
}

impl Crypt {
    /// The row of `app` that holds the instance secret.
    pub(super) const SECRET_NAME: &str = "instance_secret";
    const SECRET_PLACE: Place<'static> = Place { table: "app", installation: 0, row: b"instance_secret", part: b"" };

    pub(super) fn new(masters: Arc<[MasterKey]>, secret: &[u8; 32]) -> Self {
        Self { masters, secret: Zeroizing::new(*secret) }
    }

    pub(super) fn wrap_secret(masters: &[MasterKey], secret: &[u8; 32]) -> Result<Vec<u8>, Error> {
        Ok(wrap(masters, Self::SECRET_PLACE, secret))
    }

    pub(super) fn unwrap_secret(masters: &[MasterKey], stored: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
        match stored.split_first_chunk::<KEY_ID_BYTES>() {
            Some((&[0, 0, 0, 0], secret)) => match secret.try_into() {
                Ok(secret) => Ok(Zeroizing::new(secret)),
                Err(_) => Err(Self::SECRET_PLACE.unreadable("it is damaged")),
            },
            _ => unwrap(masters, Self::SECRET_PLACE, stored),
        }
    }

    /// The stored secret is wrapped by the key that seals today, or in the clear when there is none.
    pub(super) fn is_wrapped_by_first(masters: &[MasterKey], stored: &[u8]) -> bool {
        stored.starts_with(masters.first().map_or(&[0; KEY_ID_BYTES], |master| &master.id))
    }

    /// A keyed hash. The parts are told apart: `["ab", "c"]` and `["a", "bc"]` differ.
    pub(super) fn mac(&self, purpose: Purpose, parts: &[&[u8]]) -> [u8; 32] {
        let key = Zeroizing::new(mac(&*self.secret, purpose.label(), &[]));
        mac(&*key, "", parts)
    }

    /// A new data key and how it lies in its row. Without a master key: none, and four zeros.
    pub(super) fn new_key(&self, place: Place<'_>) -> (DataKey, Vec<u8>) {
        if self.masters.is_empty() {
            return (DataKey(None), vec![0; KEY_ID_BYTES]);
        }
        let key = Zeroizing::new(random_bytes::<32>());
        let wrapped = wrap(&self.masters, place, &key);
        (DataKey(Some(key)), wrapped)
    }

    /// The data key of a row.
    pub(super) fn key(&self, place: Place<'_>, wrapped: &[u8]) -> Result<DataKey, Error> {
        if wrapped == [0; KEY_ID_BYTES] {
            return Ok(DataKey(None));
        }
        Ok(DataKey(Some(unwrap(&self.masters, place, wrapped)?)))
    }

    /// Wraps a data key by today's master key; none when it is so already, or lies in the clear.
    pub(super) fn rewrap(&self, place: Place<'_>, wrapped: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self.key(place, wrapped)?.0 {
            Some(key) if !Self::is_wrapped_by_first(&self.masters, wrapped) => {
                Ok(Some(wrap(&self.masters, place, &key)))
            }
            _ => Ok(None),
        }
    }

    /// Seals a body that stands alone, with its key in front.
    pub(super) fn seal_alone(&self, place: Place<'_>, body: &[u8]) -> Result<Vec<u8>, Error> {
        let (key, wrapped) = self.new_key(place);
        let length = u8::try_from(wrapped.len()).unwrap_or(u8::MAX);
        Ok([&[length][..], &wrapped, &key.seal(place, body)?].concat())
    }

    /// Opens what [`Crypt::seal_alone`] made.
    pub(super) fn open_alone(&self, place: Place<'_>, stored: &[u8]) -> Result<Vec<u8>, Error> {
        let damaged = || place.unreadable("it is damaged");
        let (&length, rest) = stored.split_first().ok_or_else(damaged)?;
        let (wrapped, body) = rest.split_at_checked(length.into()).ok_or_else(damaged)?;
        self.key(place, wrapped)?.open(place, body)
    }
}

fn wrap(masters: &[MasterKey], place: Place<'_>, key: &[u8; 32]) -> Vec<u8> {
    match masters.first() {
        None => [&[0; KEY_ID_BYTES][..], key].concat(),
        Some(master) => [&master.id[..], &encrypt(master.key.expose_secret(), &place.bytes(), key)].concat(),
    }
}

fn unwrap(masters: &[MasterKey], place: Place<'_>, wrapped: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
    let damaged = || place.unreadable("its key is damaged");
    let (id, sealed) = wrapped.split_first_chunk::<KEY_ID_BYTES>().ok_or_else(damaged)?;
    let master = masters.iter().find(|master| master.id == *id);
    let master = master.ok_or_else(|| place.unreadable("ENCRYPTION_KEY does not hold the key that sealed it"))?;
    let key = Zeroizing::new(decrypt(master.key.expose_secret(), &place.bytes(), sealed).ok_or_else(damaged)?);
    Ok(Zeroizing::new(key.as_slice().try_into().map_err(|_| damaged())?))
}

#[expect(clippy::expect_used, reason = "the cipher refuses messages beyond 256 GB; ours are bounded by BODY_BYTES_MAX")]
fn encrypt(key: &[u8; 32], aad: &[u8], msg: &[u8]) -> Vec<u8> {
    let nonce = random_bytes::<NONCE_BYTES>();
    let cipher = XChaCha20Poly1305::new(key.into());
    let sealed = cipher.encrypt(&XNonce::from(nonce), Payload { msg, aad }).expect("the message is short enough");
    [&nonce[..], &sealed].concat()
}

fn decrypt(key: &[u8; 32], aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, msg) = sealed.split_first_chunk::<NONCE_BYTES>()?;
    XChaCha20Poly1305::new(key.into()).decrypt(&XNonce::from(*nonce), Payload { msg, aad }).ok()
}

thread_local! {
    /// A context costs more than a small body, so each thread keeps one.
    static PACKER: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
}

/// Compresses, with the length in front so that reading allocates what is needed and no more.
fn pack(body: &[u8]) -> Result<Vec<u8>, Error> {
    let too_large = || Error::TooLarge { what: "a body", got: body.len(), max: BODY_BYTES_MAX };
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= BODY_BYTES_MAX).ok_or_else(too_large)?;
    let packed = PACKER.with_borrow_mut(|packer| {
        let packer = match packer {
            Some(packer) => packer,
            None => packer.insert(zstd::bulk::Compressor::new(LEVEL)?),
        };
        packer.compress(body)
    });
    let packed = packed.map_err(|e| Error::File("zstd".to_owned(), e))?;
    Ok([&length.to_be_bytes()[..], &packed].concat())
}

fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let (length, packed) = packed.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok().filter(|length| *length <= BODY_BYTES_MAX)?;
    zstd::bulk::decompress(packed, length).ok().filter(|body| body.len() == length)
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn mac(key: &[u8], label: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).expect("any length is a key");
    for part in std::iter::once(label.as_bytes()).chain(parts.iter().copied()) {
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests;

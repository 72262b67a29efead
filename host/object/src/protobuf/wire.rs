//! The wire: keys, varints, and what lies between.

use super::{DEPTH, Error};

/// One field's value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wire<'b> {
    Varint(u64),
    Fixed64(u64),
    Fixed32,
    Bytes(&'b [u8]),
    /// Groups are skipped, as Go's generated code does.
    Group,
}

impl Wire<'_> {
    pub(super) fn wrong(self, field: &str) -> Error {
        let found = match self {
            Self::Varint(_) => 0,
            Self::Fixed64(_) => 1,
            Self::Bytes(_) => 2,
            Self::Group => 3,
            Self::Fixed32 => 5,
        };
        Error::WireType { field: field.to_owned(), found }
    }
}

/// The next field's number and value; `None` at the end.
pub(super) fn next<'b>(bytes: &mut &'b [u8]) -> Result<Option<(u32, Wire<'b>)>, Error> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let (tag, ty) = key(bytes)?;
    let wire = match ty {
        3 => {
            skip_group(bytes)?;
            Wire::Group
        }
        ty => scalar(bytes, ty)?,
    };
    Ok(Some((tag, wire)))
}

fn key(bytes: &mut &[u8]) -> Result<(u32, u64), Error> {
    let key = varint(bytes)?;
    let tag = u32::try_from(key >> 3).map_err(|_| Error::Overflow)?;
    if tag == 0 {
        return Err(Error::IllegalWireType(key));
    }
    Ok((tag, key & 7))
}

fn scalar<'b>(bytes: &mut &'b [u8], ty: u64) -> Result<Wire<'b>, Error> {
    Ok(match ty {
        0 => Wire::Varint(varint(bytes)?),
        1 => Wire::Fixed64(u64::from_le_bytes(take(bytes, 8)?.try_into().map_err(|_| Error::Truncated)?)),
        2 => {
            let length = usize::try_from(varint(bytes)?).map_err(|_| Error::Overflow)?;
            Wire::Bytes(take(bytes, length)?)
        }
        5 => {
            take(bytes, 4)?;
            Wire::Fixed32
        }
        other => return Err(Error::IllegalWireType(other)),
    })
}

fn skip_group(bytes: &mut &[u8]) -> Result<(), Error> {
    let mut depth = 1;
    while depth > 0 {
        match key(bytes)? {
            (_, 3) => depth += 1,
            (_, 4) => depth -= 1,
            (_, ty) => _ = scalar(bytes, ty)?,
        }
        if depth > DEPTH {
            return Err(Error::Depth);
        }
    }
    Ok(())
}

pub(super) fn varint(bytes: &mut &[u8]) -> Result<u64, Error> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(Error::Truncated)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Error::Overflow)
}

fn take<'b>(bytes: &mut &'b [u8], count: usize) -> Result<&'b [u8], Error> {
    let (head, tail) = bytes.split_at_checked(count).ok_or(Error::Truncated)?;
    *bytes = tail;
    Ok(head)
}

pub(super) fn text(bytes: &[u8], field: &str) -> Result<String, Error> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| super::invalid(field, "string is not UTF-8"))
}

pub(super) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_key(out: &mut Vec<u8>, tag: u32, ty: u64) {
    put_varint(out, u64::from(tag) << 3 | ty);
}

pub(super) fn put_number(out: &mut Vec<u8>, tag: u32, number: u64) {
    put_key(out, tag, 0);
    put_varint(out, number);
}

pub(super) fn put_double(out: &mut Vec<u8>, tag: u32, number: f64) {
    put_key(out, tag, 1);
    out.extend_from_slice(&number.to_le_bytes());
}

/// What is before the bytes of a length-delimited field.
pub fn put_head(out: &mut Vec<u8>, tag: u32, length: usize) {
    put_key(out, tag, 2);
    put_varint(out, length as u64);
}

/// A length-delimited field.
pub fn put_bytes(out: &mut Vec<u8>, tag: u32, bytes: &[u8]) {
    put_head(out, tag, bytes.len());
    out.extend_from_slice(bytes);
}

/// A message that `write` writes. Its length comes before it and is known after it: most are short, so one byte is kept free
/// and longer ones are moved.
pub fn put_message<R>(out: &mut Vec<u8>, tag: u32, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    put_key(out, tag, 2);
    let at = out.len();
    out.push(0);
    let result = write(out);
    let length = out.len() - at - 1;
    if let (true, Some(byte)) = (length < 0x80, out.get_mut(at)) {
        *byte = length as u8;
    } else {
        let mut prefix = Vec::with_capacity(5);
        put_varint(&mut prefix, length as u64);
        out.splice(at..=at, prefix);
    }
    result
}

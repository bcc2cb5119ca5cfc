//! Reads JSON in one pass with nothing required: a member may be missing, new, null or of another type, and the rest is
//! read all the same. Only what is not JSON at all is an error.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

/// Where the first trouble met is noted; the reading goes on.
pub(super) type Trouble<'a> = &'a Cell<Option<&'static str>>;

/// A member of a type that it cannot have.
pub(super) const WRONG_TYPE: &str = "wrong type";

/// Notes a trouble, unless there was one before.
pub(super) fn note(trouble: Trouble<'_>, kind: &'static str) {
    if trouble.get().is_none() {
        trouble.set(Some(kind));
    }
}

/// What can take the members of a JSON object, one by one, in any order.
pub(super) trait Members<'de> {
    /// Takes the value of `key` from `map`, or leaves it and returns false: an unknown name.
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error>;

    /// Counts an unknown name, where anybody counts.
    fn unknown(&mut self) {}
}

/// Anything that is not an object or a list.
pub(super) enum Leaf<'de> {
    Null,
    Bool(bool),
    Whole(i64),
    Number(f64),
    Text(Cow<'de, str>),
    /// An object or a list, skipped.
    Other,
}

impl<'de> Leaf<'de> {
    /// Takes the next value of a map.
    pub(super) fn of<A: MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error> {
        map.next_value_seed(LeafSeed)
    }

    /// A flag; null is false.
    pub(super) fn flag(self, trouble: Trouble<'_>) -> bool {
        match self {
            Self::Bool(flag) => flag,
            Self::Null => false,
            _ => {
                note(trouble, WRONG_TYPE);
                false
            }
        }
    }

    /// A text; null and the empty text are `None`, a number is spelt out.
    pub(super) fn text(self, trouble: Trouble<'_>) -> Option<Cow<'de, str>> {
        match self {
            Self::Text(text) => Some(text).filter(|text| !text.is_empty()),
            Self::Whole(number) => Some(number.to_string().into()),
            Self::Null => None,
            _ => {
                note(trouble, WRONG_TYPE);
                None
            }
        }
    }

    /// A whole number, also as a decimal text, as ProtoJSON writes 64 bits.
    pub(super) fn whole(self, trouble: Trouble<'_>) -> Option<i64> {
        let number = match self {
            Self::Null => return None,
            Self::Whole(number) => Some(number),
            // The cast saturates.
            Self::Number(number) => Some(number as i64),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Bool(_) | Self::Other => None,
        };
        if number.is_none() {
            note(trouble, WRONG_TYPE);
        }
        number
    }
}

struct LeafSeed;

impl<'de> DeserializeSeed<'de> for LeafSeed {
    type Value = Leaf<'de>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Leaf<'de>, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for LeafSeed {
    type Value = Leaf<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Leaf<'de>, E> {
        Ok(Leaf::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Leaf<'de>, E> {
        Ok(Leaf::Bool(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Leaf<'de>, E> {
        Ok(Leaf::Whole(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Leaf<'de>, E> {
        Ok(i64::try_from(number).map_or(Leaf::Number(number as f64), Leaf::Whole))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Leaf<'de>, E> {
        Ok(Leaf::Number(number))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Leaf<'de>, E> {
        Ok(Leaf::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Leaf<'de>, E> {
        Ok(Leaf::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Leaf<'de>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Leaf::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Leaf<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Leaf::Other)
    }
}

/// What stood where an object was expected.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Found {
    Object,
    Null,
    /// Something else, noted and skipped.
    Other,
}

/// Reads an object into `into`.
pub(super) struct Object<'a, T> {
    pub(super) into: &'a mut T,
    pub(super) trouble: Trouble<'a>,
}

impl<T> Object<'_, T> {
    fn other<E>(self) -> Result<Found, E> {
        note(self.trouble, WRONG_TYPE);
        Ok(Found::Other)
    }
}

impl<'de, T: Members<'de>> DeserializeSeed<'de> for Object<'_, T> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Found, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de, T: Members<'de>> Visitor<'de> for Object<'_, T> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
        while let Some(key) = map.next_key_seed(LeafSeed)? {
            let Leaf::Text(key) = key else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if !self.into.member(&key, &mut map, self.trouble)? {
                map.next_value::<IgnoredAny>()?;
                self.into.unknown();
            }
        }
        Ok(Found::Object)
    }

    fn visit_unit<E: Error>(self) -> Result<Found, E> {
        Ok(Found::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Found, E> {
        self.other()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Found, E> {
        self.other()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Found, E> {
        self.other()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Found, E> {
        self.other()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Found, E> {
        self.other()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Found, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        self.other()
    }
}

/// What can stand in a list.
pub(super) trait Element<'de>: Sized {
    /// Takes the next element: `None` at the end, `Some(None)` for one that was of another type and skipped.
    fn next<S: SeqAccess<'de>>(list: &mut S, trouble: Trouble<'_>) -> Result<Option<Option<Self>>, S::Error>;
}

impl<'de, T: Members<'de> + Default> Element<'de> for T {
    fn next<S: SeqAccess<'de>>(list: &mut S, trouble: Trouble<'_>) -> Result<Option<Option<T>>, S::Error> {
        let mut element = T::default();
        let found = list.next_element_seed(Object { into: &mut element, trouble })?;
        Ok(found.map(|found| Some(element).filter(|_| found == Found::Object)))
    }
}

impl<'de> Element<'de> for Leaf<'de> {
    fn next<S: SeqAccess<'de>>(list: &mut S, _: Trouble<'_>) -> Result<Option<Option<Self>>, S::Error> {
        Ok(list.next_element_seed(LeafSeed)?.map(Some))
    }
}

/// Appends the elements of a list to `into`.
pub(super) struct List<'a, T> {
    pub(super) into: &'a mut Vec<T>,
    pub(super) trouble: Trouble<'a>,
}

impl<T> List<'_, T> {
    fn other<E>(self) -> Result<(), E> {
        note(self.trouble, WRONG_TYPE);
        Ok(())
    }
}

impl<'de, T: Element<'de>> DeserializeSeed<'de> for List<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de, T: Element<'de>> Visitor<'de> for List<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(element) = T::next(&mut list, self.trouble)? {
            self.into.extend(element);
        }
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.other()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.other()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.other()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.other()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.other()
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        self.other()
    }
}

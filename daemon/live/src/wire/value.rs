//! What the value of a member is read as. One of another type is noted and counts as absent.

use super::read::{Element, Found, Leaf, List, Members, Object, Trouble};
use serde::de::MapAccess;
use std::borrow::Cow;

/// What takes the value of a member.
pub(super) trait Value<'de> {
    /// Takes the next value of `map`. A list goes behind what was there, all else in its place.
    fn read<A: MapAccess<'de>>(&mut self, map: &mut A, trouble: Trouble<'_>) -> Result<(), A::Error>;
}

/// Values that are made of a [`Leaf`], and how.
macro_rules! leaves {
    ($($kind:ty: |$leaf:ident, $trouble:ident| $read:expr;)+) => {
        $(impl<'de> Value<'de> for $kind {
            fn read<A: MapAccess<'de>>(&mut self, map: &mut A, $trouble: Trouble<'_>) -> Result<(), A::Error> {
                let $leaf = Leaf::of(map)?;
                *self = $read;
                Ok(())
            }
        })+
    };
}
pub(super) use leaves;

leaves! {
    Option<i64>: |leaf, trouble| leaf.whole(trouble);
    Option<String>: |leaf, trouble| leaf.text(trouble).map(Cow::into_owned);
    String: |leaf, trouble| leaf.text(trouble).unwrap_or_default().into_owned();
    Cow<'de, str>: |leaf, trouble| leaf.text(trouble).unwrap_or_default();
    // A count: less than nothing is nothing.
    u64: |leaf, trouble| leaf.whole(trouble).map_or(0, |number| u64::try_from(number).unwrap_or(0));
}

impl<'de, T: Element<'de>> Value<'de> for Vec<T> {
    fn read<A: MapAccess<'de>>(&mut self, map: &mut A, trouble: Trouble<'_>) -> Result<(), A::Error> {
        map.next_value_seed(List { into: self, trouble })
    }
}

/// Reads the next value as an object of its own; `None` when it is something else.
pub(super) fn object<'de, T: Members<'de> + Default, A: MapAccess<'de>>(
    map: &mut A,
    trouble: Trouble<'_>,
) -> Result<Option<T>, A::Error> {
    let mut into = T::default();
    let found = map.next_value_seed(Object { into: &mut into, trouble })?;
    Ok(Some(into).filter(|_| found == Found::Object))
}

/// Reads the next value as an object of which one member counts, by whichever of these names; `None` when it is
/// something else.
pub(super) fn only<'de, T: Value<'de> + Default, A: MapAccess<'de>>(
    names: &[&str],
    map: &mut A,
    trouble: Trouble<'_>,
) -> Result<Option<T>, A::Error> {
    let mut into = Only { names, value: T::default() };
    let found = map.next_value_seed(Object { into: &mut into, trouble })?;
    Ok(Some(into.value).filter(|_| found == Found::Object))
}

struct Only<'n, T> {
    names: &'n [&'n str],
    value: T,
}

impl<'de, T: Value<'de>> Members<'de> for Only<'_, T> {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        let known = self.names.contains(&key);
        if known {
            self.value.read(map, trouble)?;
        }
        Ok(known)
    }
}

/// An object of which only its being there counts.
#[derive(Default)]
pub(super) struct Anything;

impl<'de> Members<'de> for Anything {
    fn member<A: MapAccess<'de>>(&mut self, _: &str, _: &mut A, _: Trouble<'_>) -> Result<bool, A::Error> {
        Ok(false)
    }
}

//! What is known of interfaces, addresses and routes, and what a change of it means.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::netlink::{Fact, Route};

/// Everything that was told.
#[derive(Clone, Debug, Default)]
pub(super) struct Picture {
    links: BTreeMap<u32, bool>,
    addresses: BTreeSet<(u32, IpAddr)>,
    defaults: BTreeSet<Route>,
}

/// What of it can be used: addresses and default routes of interfaces that work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Usable {
    addresses: BTreeSet<(u32, IpAddr)>,
    defaults: BTreeSet<Route>,
}

impl Picture {
    pub(super) fn learn(&mut self, fact: Fact) {
        match fact {
            Fact::Link { index, on, works } => {
                self.links.insert(index, works);
                if !on {
                    // Without a carrier its routes only rest; switched off, they go.
                    self.drop_routes(index);
                }
            }
            Fact::Address { index, address, there: true } => {
                self.addresses.insert((index, address));
            }
            Fact::Address { index, address, there: false } => {
                self.addresses.remove(&(index, address));
                let left = self.addresses.iter().any(|(on, other)| *on == index && other.is_ipv4());
                if address.is_ipv4() && !left {
                    self.drop_routes(index);
                }
            }
            Fact::Default { route, there: true } => {
                self.defaults.insert(route);
            }
            Fact::Default { route, there: false } => {
                self.defaults.remove(&route);
            }
        }
    }

    /// The kernel drops an interface's routes of IPv4 without a word.
    fn drop_routes(&mut self, index: u32) {
        self.defaults.retain(|route| route.index != Some(index) || route.v6);
    }

    pub(super) fn usable(&self) -> Usable {
        let works = |index: u32| self.links.get(&index).copied().unwrap_or(false);
        let addresses: BTreeSet<_> =
            self.addresses.iter().copied().filter(|(index, _)| works(*index)).collect();
        // A route of a family in which this device has no address leads nowhere.
        let speaks = |route: &Route| addresses.iter().any(|(_, address)| address.is_ipv6() == route.v6);
        let leads = |route: &&Route| route.index.is_none_or(works) && speaks(route);
        let defaults = self.defaults.iter().filter(leads).cloned().collect();
        Usable { addresses, defaults }
    }

    /// Every address this device has, on interfaces that work or not.
    pub(super) fn has(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|(_, known)| *known == address)
    }
}

impl Usable {
    /// Somebody can be reached. Where no default route was ever seen (`seen`), a wire without a gateway will do.
    pub(super) fn reaches(&self, seen: bool) -> bool {
        !self.addresses.is_empty() && (!seen || !self.defaults.is_empty())
    }

    pub(super) fn has_default(&self) -> bool {
        !self.defaults.is_empty()
    }

    /// There is something that was not there before.
    pub(super) fn gained(&self, before: &Usable) -> bool {
        !self.addresses.is_subset(&before.addresses) || !self.defaults.is_subset(&before.defaults)
    }

    /// Addresses that are there no more.
    pub(super) fn lost<'a>(&'a self, before: &'a Usable) -> impl Iterator<Item = IpAddr> + 'a {
        before.addresses.difference(&self.addresses).map(|(_, address)| *address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(index: u32, v6: bool) -> Route {
        Route { v6, index: Some(index), gateway: vec![1], metric: 0 }
    }

    fn picture(facts: &[Fact]) -> Picture {
        let mut picture = Picture::default();
        facts.iter().for_each(|fact| picture.learn(fact.clone()));
        picture
    }

    const UP: Fact = Fact::Link { index: 2, on: true, works: true };

    fn address(text: &str, there: bool) -> Fact {
        Fact::Address { index: 2, address: text.parse().unwrap(), there }
    }

    #[test]
    fn an_address_and_a_way_of_its_family_on_an_interface_that_works() {
        let way = Fact::Default { route: route(2, false), there: true };
        let check = |facts: &[Fact], reaches, default| {
            let usable = picture(facts).usable();
            assert_eq!((usable.reaches(true), usable.has_default()), (reaches, default), "{facts:?}");
        };
        check(&[], false, false);
        check(&[UP, address("192.0.2.7", true)], false, false);
        check(&[UP, address("192.0.2.7", true), way.clone()], true, true);
        check(&[address("192.0.2.7", true), way.clone()], false, false);
        check(&[UP, address("2001:db8::7", true), way.clone()], false, false);
        check(&[UP, way.clone()], false, false);
        check(&[UP, address("192.0.2.7", true), way, address("192.0.2.7", false)], false, false);
    }

    #[test]
    fn a_wire_without_a_gateway_is_enough_where_there_never_was_one() {
        let usable = picture(&[UP, address("192.0.2.7", true)]).usable();
        assert!(usable.reaches(false) && !usable.reaches(true));
        assert!(!picture(&[UP]).usable().reaches(false));
    }

    #[test]
    fn routes_of_ipv4_go_without_a_word() {
        let way = Fact::Default { route: route(2, false), there: true };
        let there = [UP, address("192.0.2.7", true), way];
        let check = |more: &[Fact], default| {
            let facts = [&there, more].concat();
            assert_eq!(picture(&facts).usable().has_default(), default, "{more:?}");
        };
        let (off, on) = (Fact::Link { index: 2, on: false, works: false }, UP);
        let resting = Fact::Link { index: 2, on: true, works: false };
        check(&[resting, on.clone()], true);
        check(&[off, on], false);
        check(&[address("192.0.2.7", false), address("192.0.2.9", true)], false);
        check(&[address("192.0.2.9", true), address("192.0.2.7", false)], true);
    }

    #[test]
    fn gains_and_losses_are_told_apart() {
        let before = picture(&[UP, address("192.0.2.7", true)]).usable();
        let after = picture(&[UP, address("192.0.2.9", true)]).usable();
        assert!(after.gained(&before));
        assert_eq!(after.lost(&before).collect::<Vec<_>>(), ["192.0.2.7".parse::<IpAddr>().unwrap()]);
        let down =
            picture(&[UP, address("192.0.2.7", true), Fact::Link { index: 2, on: true, works: false }]);
        assert!(!down.usable().gained(&before) && down.has("192.0.2.7".parse().unwrap()));
    }
}

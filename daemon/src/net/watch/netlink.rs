//! rtnetlink(7): what the kernel tells about interfaces, addresses and routes. Bytes in, facts out; no socket here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One fact, or its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    /// An interface: is it switched on, and does it carry packets?
    Link { index: u32, on: bool, works: bool },
    /// An address of this device that others can reach it at.
    Address { index: u32, address: IpAddr, there: bool },
    /// A way to everywhere.
    Default { route: Route, there: bool },
}

/// A default route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Route {
    pub(super) v6: bool,
    /// None for a route over several interfaces.
    pub(super) index: Option<u32>,
    pub(super) gateway: Vec<u8>,
    pub(super) metric: u32,
}

/// What one message was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// Something to know.
    Fact(Fact),
    /// The end of a listing.
    Done,
    /// A request was refused with this errno.
    Refused(i32),
    /// Nothing that matters here.
    Other,
}

// if_addr.h, which the libc crate has for Android only.
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
const IFA_F_OPTIMISTIC: u32 = 0x04;
const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_TENTATIVE: u32 = 0x40;

/// `len`, `type`, `flags`, `seq`, `pid`.
const HEADER: usize = 16;
const LISTING: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;

/// A request for all links, addresses or routes.
pub(super) fn list(kind: u16, sequence: u32) -> Vec<u8> {
    // ifinfomsg and ifaddrmsg and rtmsg all begin with the family; 0 is any, and the kernel takes a short rest as zeros.
    let body = match kind {
        libc::RTM_GETLINK => 16,
        libc::RTM_GETADDR => 8,
        _ => 12,
    };
    let mut request = Vec::with_capacity(HEADER + body);
    request.extend(u32::try_from(HEADER + body).expect("a few bytes").to_ne_bytes());
    request.extend(kind.to_ne_bytes());
    request.extend(LISTING.to_ne_bytes());
    request.extend(sequence.to_ne_bytes());
    request.extend(0u32.to_ne_bytes());
    request.resize(HEADER + body, 0);
    request
}

/// Takes a datagram apart; what is cut short ends it.
pub(super) fn parse(mut bytes: &[u8]) -> Vec<Message> {
    let mut found = Vec::new();
    while let (Some(length), Some(kind)) = (u32_at(bytes, 0), u16_at(bytes, 4)) {
        let length = length as usize;
        let Some(body) = bytes.get(HEADER..length) else { break };
        found.push(message(kind, body));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

fn message(kind: u16, body: &[u8]) -> Message {
    let fact = match kind {
        libc::RTM_NEWLINK | libc::RTM_DELLINK => link(body, kind == libc::RTM_NEWLINK),
        libc::RTM_NEWADDR | libc::RTM_DELADDR => address(body, kind == libc::RTM_NEWADDR),
        libc::RTM_NEWROUTE | libc::RTM_DELROUTE => route(body, kind == libc::RTM_NEWROUTE),
        done if i32::from(done) == libc::NLMSG_DONE => return Message::Done,
        error if i32::from(error) == libc::NLMSG_ERROR => {
            return match i32_at(body, 0).unwrap_or_default() {
                0 => Message::Other,
                code => Message::Refused(-code),
            };
        }
        _ => None,
    };
    fact.map_or(Message::Other, Message::Fact)
}

/// `ifinfomsg`: family, type, index, flags.
fn link(body: &[u8], there: bool) -> Option<Fact> {
    let (index, flags) = (u32_at(body, 4)?, i32_at(body, 8)?);
    // A bridge's port tells about itself in another family.
    if *body.first()? != libc::AF_UNSPEC as u8 || flags & libc::IFF_LOOPBACK != 0 {
        return None;
    }
    let on = there && flags & libc::IFF_UP != 0;
    Some(Fact::Link { index, on, works: on && flags & libc::IFF_RUNNING != 0 })
}

/// `ifaddrmsg`: family, prefix, flags, scope, index.
fn address(body: &[u8], there: bool) -> Option<Fact> {
    let (scope, index) = (*body.get(3)?, u32_at(body, 4)?);
    if scope >= libc::RT_SCOPE_LINK {
        return None;
    }
    let (mut flags, mut local, mut any) = (u32::from(*body.get(2)?), None, None);
    for (kind, value) in attributes(body.get(8..)?) {
        match kind {
            IFA_LOCAL => local = Some(value),
            IFA_ADDRESS => any = Some(value),
            IFA_FLAGS => flags = u32_at(value, 0)?,
            _ => {}
        }
    }
    // Nobody may speak from an address before it is known to be nobody else's.
    let unusable = flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED) != 0 && flags & IFA_F_OPTIMISTIC == 0;
    // On a point-to-point link IFA_ADDRESS is the other end.
    let address = ip(local.or(any)?)?;
    Some(Fact::Address { index, address, there: there && !unusable })
}

/// `rtmsg`: family, lengths, service, table, protocol, scope, type, flags.
fn route(body: &[u8], there: bool) -> Option<Fact> {
    let (family, length, kind) = (i32::from(*body.first()?), *body.get(1)?, *body.get(7)?);
    let flags = u32_at(body, 8)?;
    // Copies in the cache are no routes; "unreachable" ones stand for the absence of one.
    if length != 0 || kind != libc::RTN_UNICAST || flags & libc::RTM_F_CLONED != 0 {
        return None;
    }
    let mut route = Route { v6: family == libc::AF_INET6, index: None, gateway: Vec::new(), metric: 0 };
    for (kind, value) in attributes(body.get(12..)?) {
        match kind {
            libc::RTA_OIF => route.index = u32_at(value, 0),
            libc::RTA_GATEWAY => route.gateway = value.to_vec(),
            libc::RTA_PRIORITY => route.metric = u32_at(value, 0)?,
            _ => {}
        }
    }
    (family == libc::AF_INET || route.v6).then_some(Fact::Default { route, there })
}

/// `rtattr`: length, type, value, padded to 4.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let found = (u16_at(bytes, 2)?, bytes.get(4..length)?);
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(found)
    })
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()),
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()),
        _ => None,
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = list(kind, 7)[..HEADER].to_vec();
        bytes.extend(body);
        let length = u32::try_from(bytes.len()).unwrap();
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len() + 4).unwrap();
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn one(kind: u16, body: &[u8]) -> Message {
        let mut found = parse(&datagram(kind, body));
        assert_eq!(found.len(), 1);
        found.remove(0)
    }

    #[test]
    fn an_interface_works_when_it_is_up_and_has_a_carrier() {
        let body = |family: u8, flags: i32| {
            [&[family, 0, 1, 0][..], &3u32.to_ne_bytes(), &flags.to_ne_bytes(), &[0; 4]].concat()
        };
        let check = |kind, flags, on, works| {
            let expected = Message::Fact(Fact::Link { index: 3, on, works });
            assert_eq!(one(kind, &body(0, flags)), expected, "{flags}");
        };
        check(libc::RTM_NEWLINK, libc::IFF_UP | libc::IFF_RUNNING, true, true);
        check(libc::RTM_NEWLINK, libc::IFF_UP, true, false);
        check(libc::RTM_DELLINK, libc::IFF_UP | libc::IFF_RUNNING, false, false);
        assert_eq!(one(libc::RTM_NEWLINK, &body(0, libc::IFF_LOOPBACK | libc::IFF_UP)), Message::Other);
        assert_eq!(one(libc::RTM_NEWLINK, &body(7, libc::IFF_UP)), Message::Other);
    }

    #[test]
    fn an_address_counts_once_it_may_be_used() {
        let local = [192, 0, 2, 7];
        let body = |scope: u8, flags: u32| {
            let head = [2, 24, 0, scope];
            let attributes = [
                attribute(IFA_ADDRESS, &[192, 0, 2, 1]),
                attribute(IFA_LOCAL, &local),
                attribute(IFA_FLAGS, &flags.to_ne_bytes()),
            ];
            [&head[..], &2u32.to_ne_bytes(), &attributes.concat()].concat()
        };
        let fact = |there| Message::Fact(Fact::Address { index: 2, address: local.into(), there });
        assert_eq!(one(libc::RTM_NEWADDR, &body(0, 0)), fact(true));
        assert_eq!(one(libc::RTM_NEWADDR, &body(0, IFA_F_TENTATIVE)), fact(false));
        assert_eq!(one(libc::RTM_DELADDR, &body(0, 0)), fact(false));
        assert_eq!(one(libc::RTM_NEWADDR, &body(libc::RT_SCOPE_LINK, 0)), Message::Other);
    }

    #[test]
    fn a_default_route_is_one_that_leads_somewhere() {
        let body = |length: u8, kind: u8| {
            let head = [2, length, 0, 0, 254, 3, 0, kind];
            let attributes = [
                attribute(libc::RTA_OIF, &2u32.to_ne_bytes()),
                attribute(libc::RTA_GATEWAY, &[192, 0, 2, 1]),
                attribute(libc::RTA_PRIORITY, &600u32.to_ne_bytes()),
            ];
            [&head[..], &[0; 4], &attributes.concat()].concat()
        };
        let route = Route { v6: false, index: Some(2), gateway: vec![192, 0, 2, 1], metric: 600 };
        let fact = |there| Message::Fact(Fact::Default { route: route.clone(), there });
        assert_eq!(one(libc::RTM_NEWROUTE, &body(0, libc::RTN_UNICAST)), fact(true));
        assert_eq!(one(libc::RTM_DELROUTE, &body(0, libc::RTN_UNICAST)), fact(false));
        assert_eq!(one(libc::RTM_NEWROUTE, &body(24, libc::RTN_UNICAST)), Message::Other);
        assert_eq!(one(libc::RTM_NEWROUTE, &body(0, libc::RTN_UNREACHABLE)), Message::Other);
    }

    #[test]
    fn several_messages_ends_and_errors_share_a_datagram_and_cut_ones_are_survived() {
        let done = datagram(libc::NLMSG_DONE as u16, &0i32.to_ne_bytes());
        let refused = datagram(libc::NLMSG_ERROR as u16, &(-libc::EPERM).to_ne_bytes());
        let both = [done, refused].concat();
        assert_eq!(parse(&both), [Message::Done, Message::Refused(libc::EPERM)]);
        for end in 0..both.len() {
            parse(&both[..end]);
        }
        assert_eq!(parse(&[0; 64]), []);
    }
}

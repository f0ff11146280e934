//! Where a priority stands among all of them: the names of its directories, which sort the highest first.

use alloc::string::String;
use alloc::vec::Vec;

use crate::spelling::Digit;

/// Where a priority stands among all of them.
pub(super) struct PriorityPlace {
    /// Which of the groups it is in: a group is one priority near zero, or all of one sign and bit length.
    group: u64,
    /// How many bits tell the priorities of the group apart.
    bits_open: u32,
    /// Those bits, the highest priority first.
    offset: u64,
}

impl PriorityPlace {
    /// The priorities up to here, and down to here below zero, are groups of their own.
    const NEAR: i64 = 127;
    /// The bit length of the nearest one that is not.
    const SHORTEST: u32 = 8;
    /// The groups of the positive ones come first, that of 63 bits before all.
    const NEAR_GROUPS: core::ops::RangeInclusive<u64> = 56..=310;
    /// The last one is that of the 64 bits of the smallest i64.
    const LAST_GROUP: u64 = 367;
    /// The digits of a group.
    const GROUP: Digit = Digit { bits: 9 };

    pub(super) fn of(priority: i64) -> PriorityPlace {
        let near = (-Self::NEAR..=Self::NEAR).contains(&priority);
        if near {
            let group = Self::NEAR_GROUPS.start() + Self::NEAR.abs_diff(priority);
            return PriorityPlace { group, bits_open: 0, offset: 0 };
        }
        let magnitude = priority.unsigned_abs();
        let bits_open = u64::BITS - 1 - magnitude.leading_zeros();
        let all_open = (1 << bits_open) - 1;
        match priority > 0 {
            true => {
                PriorityPlace { group: u64::from(62 - bits_open), bits_open, offset: all_open - (magnitude & all_open) }
            }
            false => PriorityPlace {
                group: Self::NEAR_GROUPS.end() + u64::from(bits_open + 2 - Self::SHORTEST),
                bits_open,
                offset: magnitude & all_open,
            },
        }
    }

    /// The names of the directories that it comes to.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names = Vec::from([Self::GROUP.name(self.group)]);
        let mut bits_open = self.bits_open;
        while bits_open > 0 {
            let digit = Self::next_digit(bits_open);
            bits_open -= digit.bits;
            names.push(digit.name((self.offset >> bits_open) & ((1 << digit.bits) - 1)));
        }
        names
    }

    /// How many bits tell the priorities of the group with this name apart; `None`: it is no group's name.
    pub(super) fn bits_open_below(name: &str) -> Option<u32> {
        let group = Self::GROUP.parse(name).filter(|group| *group <= Self::LAST_GROUP)?;
        let far = |groups_from_near: u64| u32::try_from(groups_from_near).ok().map(|far| far + Self::SHORTEST - 2);
        match group {
            positive if positive < *Self::NEAR_GROUPS.start() => far(Self::NEAR_GROUPS.start() - positive),
            negative if negative > *Self::NEAR_GROUPS.end() => far(negative - Self::NEAR_GROUPS.end()),
            _ => Some(0),
        }
    }

    /// The next digit of a number that has so many bits left: all but the first have eight bits.
    pub(super) fn next_digit(bits_open: u32) -> Digit {
        Digit { bits: (bits_open + 7) % 8 + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The directories that a priority comes to, joined.
    fn path_of(priority: i64) -> String {
        PriorityPlace::of(priority).names().join("/")
    }

    #[test]
    fn priorities_sort_highest_first_and_each_has_its_own_place() {
        let around = |at: i64| (-300..=300).map(move |by| at.saturating_add(by));
        let powers = (7..63).map(|bits| 1_i64 << bits);
        let centres = powers.flat_map(|power| [power, -power]).chain([0, i64::MAX, i64::MIN]);
        let mut priorities: Vec<i64> = centres.flat_map(around).collect();
        priorities.sort_unstable_by_key(|priority| core::cmp::Reverse(*priority));
        priorities.dedup();
        let paths: Vec<String> = priorities.iter().map(|priority| path_of(*priority)).collect();
        for (pair, of) in core::iter::zip(paths.windows(2), priorities.windows(2)) {
            assert!(pair[0] < pair[1], "{of:?}: {pair:?}");
        }
    }

    #[test]
    fn few_names_stand_beside_each_other_however_many_priorities_there_are() {
        let mut beside: alloc::collections::BTreeMap<String, alloc::collections::BTreeSet<String>> = Default::default();
        for priority in (-70_000..70_000).chain((0..40_000).map(|n| i64::MAX - n * 230_584_300_921_369)) {
            let mut above = String::new();
            for name in PriorityPlace::of(priority).names() {
                beside.entry(above.clone()).or_default().insert(name.clone());
                above = above + "/" + &name;
            }
        }
        assert!(
            beside.values().all(|names| names.len() <= 368),
            "{:?}",
            beside.values().map(|names| names.len()).max()
        );
    }
}

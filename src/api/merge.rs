//! Pure: several sorted lists, each coming in pages, as one sorted list. What is held is a page of each.

use std::collections::VecDeque;

use super::paging::Rank;

/// The lists. Items come out by [`next`](Self::next) once none of the lists is [`hungry`](Self::hungry).
pub(super) struct Merge<T> {
    lists: Vec<List<T>>,
    falling: bool,
}

struct List<T> {
    items: VecDeque<(Rank, T)>,
    /// There may be more behind the last one.
    more: bool,
    last: Option<Rank>,
}

impl<T> Merge<T> {
    /// So many lists, of which nothing is known but that they go on after a rank; `falling`: by falling rank.
    pub(super) fn new(lists: usize, after: Option<&Rank>, falling: bool) -> Self {
        let list = || List {
            items: VecDeque::new(),
            more: true,
            last: after.cloned(),
        };
        Self {
            lists: (0..lists).map(|_| list()).collect(),
            falling,
        }
    }

    /// Lists that have to be fed before the next item is known, and after which rank each goes on.
    pub(super) fn hungry(&self) -> Vec<(usize, Option<Rank>)> {
        let hungry = self
            .lists
            .iter()
            .enumerate()
            .filter(|(_, list)| list.more && list.items.is_empty());
        hungry.map(|(i, list)| (i, list.last.clone())).collect()
    }

    /// The next page of a list. What is not behind the page before is left out: it came out already, or should have.
    pub(super) fn feed(&mut self, list: usize, page: impl IntoIterator<Item = (Rank, T)>, more: bool) {
        let falling = self.falling;
        let list = &mut self.lists[list];
        for (rank, item) in page {
            if list.last.as_ref().is_none_or(|last| behind(&rank, last, falling)) {
                list.last = Some(rank.clone());
                list.items.push_back((rank, item));
            }
        }
        // A page of nothing that promises more would be asked for again and again.
        list.more = more && !list.items.is_empty();
    }

    /// The next item of all.
    pub(super) fn next(&mut self) -> Option<(Rank, T)> {
        let mut first: Option<(usize, &Rank)> = None;
        for (i, list) in self.lists.iter().enumerate() {
            let Some((rank, _)) = list.items.front() else { continue };
            if first.is_none_or(|(_, before)| behind(before, rank, self.falling)) {
                first = Some((i, rank));
            }
        }
        let (list, _) = first?;
        self.lists[list].items.pop_front()
    }

    /// Whether there is, or may be, another item.
    pub(super) fn any_left(&self) -> bool {
        self.lists.iter().any(|list| list.more || !list.items.is_empty())
    }
}

fn behind(rank: &Rank, other: &Rank, falling: bool) -> bool {
    if falling { rank < other } else { rank > other }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rank(n: i64) -> Rank {
        (n / 4, format!("{:03}", n % 4))
    }

    /// Reads `lists` by pages of `page`, going on after `after`.
    fn merged(lists: &[Vec<i64>], page: usize, after: Option<i64>, falling: bool) -> Vec<i64> {
        let after = after.map(rank);
        let mut merge = Merge::new(lists.len(), after.as_ref(), falling);
        let mut all = Vec::new();
        loop {
            for (i, after) in merge.hungry() {
                let follows = |n: &&i64| after.as_ref().is_none_or(|after| behind(&rank(**n), after, falling));
                let mut left: Vec<i64> = lists[i].iter().filter(follows).copied().collect();
                let more = left.len() > page;
                left.truncate(page);
                merge.feed(i, left.into_iter().map(|n| (rank(n), n)), more);
            }
            match merge.next() {
                Some((_, n)) => all.push(n),
                None => break,
            }
        }
        assert!(!merge.any_left());
        all
    }

    proptest! {
        #[test]
        fn pages_of_several_lists_come_out_as_one_sorted_list(
            mut all in proptest::collection::btree_set(0..200i64, 0..60), of in 1..5usize, page in 1..7usize, after: Option<u8>, falling: bool,
        ) {
            let after = after.map(|n| i64::from(n) % 200);
            let mut lists = vec![Vec::new(); of];
            for n in &all {
                lists[(*n as usize * 7) % of].push(*n);
            }
            if falling {
                lists.iter_mut().for_each(|list| list.reverse());
            }
            let found = merged(&lists, page, after, falling);
            if let Some(after) = after {
                all.retain(|n| if falling { *n < after } else { *n > after });
            }
            let mut expected: Vec<i64> = all.into_iter().collect();
            if falling {
                expected.reverse();
            }
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_list_that_comes_out_of_order_or_promises_what_it_has_not_ends() {
        let mut merge = Merge::new(1, None, false);
        merge.feed(0, [(rank(2), 2), (rank(1), 1), (rank(3), 3)], true);
        assert_eq!(
            [merge.next(), merge.next()].map(|item| item.map(|(_, n)| n)),
            [Some(2), Some(3)]
        );
        assert_eq!(merge.hungry(), [(0, Some(rank(3)))]);
        merge.feed(0, [(rank(2), 2)], true);
        assert!(merge.hungry().is_empty() && !merge.any_left());
    }
}

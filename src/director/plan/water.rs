//! Fair shares: work poured over members until all of them that may take it stand equally high.

/// Times that pours that compete for the same members are made anew, at most.
const ROUNDS: usize = 8;
/// What a round may still change, against all that is poured.
const SETTLED: f64 = 1e-4;

/// Work, and who may take it.
pub(super) struct Pour {
    pub(super) amount: f64,
    pub(super) over: Vec<u16>,
}

/// How much of each pour each of its members takes. `held` is what they have before.
pub(super) fn level(pours: &[Pour], held: &[f64], weights: &[f64]) -> Vec<Vec<f64>> {
    let mut taken: Vec<Vec<f64>> = pours.iter().map(|pour| vec![0.0; pour.over.len()]).collect();
    let mut stands = held.to_vec();
    // Those with the least choice first.
    let mut order: Vec<usize> = (0..pours.len()).filter(|p| pours[*p].amount > 0.0).collect();
    order.sort_by_key(|p| (pours[*p].over.len(), *p));
    let all: f64 = pours.iter().map(|pour| pour.amount).sum();
    for _ in 0..if order.len() > 1 { ROUNDS } else { 1 } {
        let mut changed = 0.0;
        for p in &order {
            let Pour { amount, over } = &pours[*p];
            for (m, taken) in over.iter().zip(&taken[*p]) {
                stands[usize::from(*m)] -= taken;
            }
            let now = pour(*amount, over, &stands, weights);
            for ((m, taken), now) in over.iter().zip(&mut taken[*p]).zip(now) {
                changed += (now - *taken).abs();
                *taken = now;
                stands[usize::from(*m)] += now;
            }
        }
        if changed <= all * SETTLED {
            break;
        }
    }
    taken
}

/// How much each of `over` takes, so that the lowest stand equally high.
fn pour(amount: f64, over: &[u16], stands: &[f64], weights: &[f64]) -> Vec<f64> {
    let height = |m: u16| stands[usize::from(m)] / weights[usize::from(m)];
    let mut lowest: Vec<u16> = over.to_vec();
    lowest.sort_by(|a, b| height(*a).total_cmp(&height(*b)));
    let (mut width, mut volume, mut line) = (0.0, amount, f64::INFINITY);
    for m in lowest {
        if width > 0.0 && line <= height(m) {
            break;
        }
        width += weights[usize::from(m)];
        volume += stands[usize::from(m)];
        line = volume / width;
    }
    over.iter()
        .map(|m| (line * weights[usize::from(*m)] - stands[usize::from(*m)]).max(0.0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_are_filled_first_and_weights_count() {
        let sole = |amount, held: &[f64], weights: &[f64]| {
            let over = (0..held.len() as u16).collect();
            level(&[Pour { amount, over }], held, weights).remove(0)
        };
        assert_eq!(sole(2.0, &[0.0, 5.0], &[1.0, 1.0]), [2.0, 0.0]);
        assert_eq!(sole(7.0, &[0.0, 5.0], &[1.0, 1.0]), [6.0, 1.0]);
        assert_eq!(sole(8.0, &[0.0, 0.0], &[1.0, 3.0]), [2.0, 6.0]);
    }

    #[test]
    fn whoever_takes_part_in_many_is_not_given_a_share_of_each() {
        let pours = [(6.0, vec![0, 1]), (6.0, vec![1, 2])].map(|(amount, over)| Pour { amount, over });
        let taken = level(&pours, &[0.0; 3], &[1.0; 3]);
        let stands = [taken[0][0], taken[0][1] + taken[1][0], taken[1][1]];
        assert!(stands.iter().all(|stand| (stand - 4.0).abs() < 0.05), "{stands:?}");
    }
}

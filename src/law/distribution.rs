//! Distributions of times.

use std::time::Duration;

use rand::RngExt;
use rand_distr::{Distribution as _, Exp1, StandardNormal};

use super::Draws;

/// The longest time that a draw may give: tails are cut here, so that no draw outlives any run.
const LONGEST: f64 = 86_400.0;

/// The standard normal distribution's quantile at 0.95.
const NORMAL_P95: f64 = 1.644_853_626_951_472_2;

/// How long something takes: a ring, a hold, a delay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distribution {
    /// Always the same time.
    Fixed(Duration),
    /// Any time between the two, equally likely.
    Uniform {
        /// The shortest time.
        min: Duration,
        /// The longest time.
        max: Duration,
    },
    /// Exponential with this mean: the classic law of hold times.
    Exponential {
        /// The mean time.
        mean: Duration,
    },
    /// Lognormal, told by two of its quantiles: the long-tailed law of real calls.
    Lognormal {
        /// Half of the draws are shorter.
        median: Duration,
        /// 95 % of the draws are shorter.
        p95: Duration,
    },
    /// One of two times: a server that mostly has the answer at hand, and sometimes must ask elsewhere.
    Bimodal {
        /// The usual time.
        low: Duration,
        /// The other one.
        high: Duration,
        /// The part of the draws that are `high`, 0 to 1.
        high_share: f64,
    },
}

/// Why a distribution cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DistributionError {
    /// `min` is above `max`.
    #[error("min is above max")]
    MinAboveMax,
    /// A mean or a median of zero.
    #[error("the mean or median must be above zero")]
    Zero,
    /// `p95` is below the median.
    #[error("p95 is below the median")]
    P95BelowMedian,
    /// `low` is above `high`.
    #[error("low is above high")]
    LowAboveHigh,
    /// A share that is none.
    #[error("high_share must be from 0 to 1")]
    Share,
}

impl Distribution {
    /// A uniform distribution from `min` to `max`.
    ///
    /// # Errors
    /// [`DistributionError::MinAboveMax`].
    pub fn uniform(min: Duration, max: Duration) -> Result<Distribution, DistributionError> {
        if min > max {
            return Err(DistributionError::MinAboveMax);
        }
        Ok(Distribution::Uniform { min, max })
    }

    /// An exponential distribution with this mean.
    ///
    /// # Errors
    /// [`DistributionError::Zero`].
    pub fn exponential(mean: Duration) -> Result<Distribution, DistributionError> {
        if mean.is_zero() {
            return Err(DistributionError::Zero);
        }
        Ok(Distribution::Exponential { mean })
    }

    /// A lognormal distribution with this median and 95th percentile.
    ///
    /// # Errors
    /// [`DistributionError::Zero`], [`DistributionError::P95BelowMedian`].
    pub fn lognormal(median: Duration, p95: Duration) -> Result<Distribution, DistributionError> {
        if median.is_zero() {
            return Err(DistributionError::Zero);
        }
        if p95 < median {
            return Err(DistributionError::P95BelowMedian);
        }
        Ok(Distribution::Lognormal { median, p95 })
    }

    /// A distribution of two times: `high` with the probability `high_share`, else `low`.
    ///
    /// # Errors
    /// [`DistributionError::LowAboveHigh`], [`DistributionError::Share`].
    pub fn bimodal(
        low: Duration,
        high: Duration,
        high_share: f64,
    ) -> Result<Distribution, DistributionError> {
        if low > high {
            return Err(DistributionError::LowAboveHigh);
        }
        if !(0.0..=1.0).contains(&high_share) {
            return Err(DistributionError::Share);
        }
        Ok(Distribution::Bimodal { low, high, high_share })
    }

    /// The mean time.
    pub fn mean(&self) -> Duration {
        match *self {
            Distribution::Fixed(time) => time,
            Distribution::Uniform { min, max } => (min + max) / 2,
            Distribution::Exponential { mean } => mean,
            Distribution::Lognormal { median, p95 } => {
                let sigma = sigma(median, p95);
                seconds(median.as_secs_f64() * (sigma * sigma / 2.0).exp())
            }
            Distribution::Bimodal { low, high, high_share } => {
                low + high.saturating_sub(low).mul_f64(high_share)
            }
        }
    }

    /// The time that 99 of 100 draws do not exceed.
    pub fn p99(&self) -> Duration {
        match *self {
            Distribution::Fixed(time) => time,
            Distribution::Uniform { min, max } => min + (max - min).mul_f64(0.99),
            Distribution::Exponential { mean } => seconds(mean.as_secs_f64() * 100_f64.ln()),
            Distribution::Lognormal { median, p95 } => {
                seconds(median.as_secs_f64() * (2.326_347_874_040_841 * sigma(median, p95)).exp())
            }
            Distribution::Bimodal { low, high, high_share } => {
                if high_share > 0.01 {
                    high
                } else {
                    low
                }
            }
        }
    }

    /// One draw.
    pub fn sample(&self, draws: &mut Draws) -> Duration {
        match *self {
            Distribution::Fixed(time) => time,
            Distribution::Uniform { min, max } => min + (max - min).mul_f64(draws.random::<f64>()),
            Distribution::Exponential { mean } => {
                let unit: f64 = Exp1.sample(draws);
                seconds(mean.as_secs_f64() * unit)
            }
            Distribution::Lognormal { median, p95 } => {
                let unit: f64 = StandardNormal.sample(draws);
                seconds(median.as_secs_f64() * (sigma(median, p95) * unit).exp())
            }
            Distribution::Bimodal { low, high, high_share } => {
                if draws.random::<f64>() < high_share {
                    high
                } else {
                    low
                }
            }
        }
    }
}

fn sigma(median: Duration, p95: Duration) -> f64 {
    (p95.as_secs_f64() / median.as_secs_f64()).ln() / NORMAL_P95
}

fn seconds(value: f64) -> Duration {
    Duration::from_secs_f64(value.clamp(0.0, LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::Seed;

    fn quantile(law: Distribution, share: f64) -> f64 {
        let mut draws = Seed(1).stream("test", 0);
        let mut times: Vec<f64> = (0..20_000).map(|_| law.sample(&mut draws).as_secs_f64()).collect();
        times.sort_by(f64::total_cmp);
        times[(share * times.len() as f64) as usize]
    }

    #[test]
    fn a_lognormal_has_the_quantiles_it_was_told_by() {
        let law = Distribution::lognormal(Duration::from_secs(180), Duration::from_secs(900)).unwrap();
        assert!((quantile(law, 0.5) / 180.0 - 1.0).abs() < 0.05);
        assert!((quantile(law, 0.95) / 900.0 - 1.0).abs() < 0.05);
    }

    #[test]
    fn an_exponential_has_its_mean_and_median() {
        let law = Distribution::exponential(Duration::from_secs(5)).unwrap();
        assert!((quantile(law, 0.5) / (5.0 * 2_f64.ln()) - 1.0).abs() < 0.05);
        assert_eq!(law.mean(), Duration::from_secs(5));
    }

    #[test]
    fn a_bimodal_has_its_two_times_in_their_shares() {
        let (low, high) = (Duration::from_millis(5), Duration::from_millis(80));
        let law = Distribution::bimodal(low, high, 0.1).unwrap();
        let mut draws = Seed(3).stream("test", 0);
        let times: Vec<Duration> = (0..20_000).map(|_| law.sample(&mut draws)).collect();
        assert!(times.iter().all(|time| *time == low || *time == high));
        let share = times.iter().filter(|time| **time == high).count() as f64 / times.len() as f64;
        assert!((share - 0.1).abs() < 0.01, "{share}");
        assert_eq!((law.mean(), law.p99()), (Duration::from_micros(12_500), high));
        assert_eq!(Distribution::bimodal(low, high, 0.005).unwrap().p99(), low);
    }

    #[test]
    fn impossible_distributions_are_refused() {
        let second = Duration::from_secs(1);
        assert_eq!(Distribution::uniform(2 * second, second), Err(DistributionError::MinAboveMax));
        assert_eq!(Distribution::exponential(Duration::ZERO), Err(DistributionError::Zero));
        assert_eq!(Distribution::lognormal(2 * second, second), Err(DistributionError::P95BelowMedian));
        assert_eq!(Distribution::bimodal(2 * second, second, 0.1), Err(DistributionError::LowAboveHigh));
        assert_eq!(Distribution::bimodal(second, second, f64::NAN), Err(DistributionError::Share));
    }
}

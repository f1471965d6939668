//! Metric families with closed label sets, cheap to count on many threads.

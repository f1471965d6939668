//! Labels whose values are known when the program is built.

use prometheus::Error;

/// A label: its name, and all values that it can have.
///
/// It is apart from the type of its values, so that types of other crates can be values and so that
/// labels of different names can share one. Made by [`label!`](crate::label) as a rule.
pub trait Label: 'static {
    /// What is counted by.
    type Value: Copy + 'static;
    /// The name of the label.
    const NAME: &'static str;
    /// All values, each at its [`index`](Self::index).
    const VALUES: &'static [Self::Value];

    /// Where `value` stands in [`VALUES`](Self::VALUES).
    fn index(value: Self::Value) -> usize;

    /// The word for `value`.
    fn as_str(value: Self::Value) -> &'static str;
}

/// The labels of a family: none, `()`; one, any [`Label`]; or two, a pair of them. Where one label
/// follows from the other it is implemented by hand, so that there is no series that cannot be.
pub trait Labels: 'static {
    /// What is counted by: `()`, a value or a pair of values.
    type Values: Copy;
    /// How many combinations there are.
    const LEN: usize;

    /// The number of a combination, below [`LEN`](Self::LEN). None if a value is missing among those of
    /// its label, which cannot be if [`label!`](crate::label) made it.
    fn index(values: Self::Values) -> Option<usize>;

    /// The names of the labels.
    fn names() -> Vec<&'static str>;

    /// The words of a combination, in the order of the names.
    fn words(index: usize) -> Vec<&'static str>;

    /// Whether each value stands where it says that it does and has a word of its own.
    fn check() -> Result<(), Error>;
}

// === impl Labels ===

impl Labels for () {
    type Values = ();
    const LEN: usize = 1;

    fn index((): ()) -> Option<usize> {
        Some(0)
    }

    fn names() -> Vec<&'static str> {
        Vec::new()
    }

    fn words(_: usize) -> Vec<&'static str> {
        Vec::new()
    }

    fn check() -> Result<(), Error> {
        Ok(())
    }
}

impl<L: Label> Labels for L {
    type Values = L::Value;
    const LEN: usize = L::VALUES.len();

    fn index(value: L::Value) -> Option<usize> {
        Some(L::index(value)).filter(|index| *index < Self::LEN)
    }

    fn names() -> Vec<&'static str> {
        vec![L::NAME]
    }

    fn words(index: usize) -> Vec<&'static str> {
        vec![L::as_str(L::VALUES[index])]
    }

    fn check() -> Result<(), Error> {
        let mut words = Vec::new();
        for (place, value) in L::VALUES.iter().enumerate() {
            let word = L::as_str(*value);
            if L::index(*value) != place || words.contains(&word) {
                return Err(Error::Msg(format!(
                    "the value {word:?} of the label {:?} is misplaced",
                    L::NAME
                )));
            }
            words.push(word);
        }
        Ok(())
    }
}

impl<A: Label, B: Label> Labels for (A, B) {
    type Values = (A::Value, B::Value);
    const LEN: usize = A::VALUES.len() * B::VALUES.len();

    fn index((a, b): Self::Values) -> Option<usize> {
        Some(<A as Labels>::index(a)? * B::VALUES.len() + <B as Labels>::index(b)?)
    }

    fn names() -> Vec<&'static str> {
        vec![A::NAME, B::NAME]
    }

    fn words(index: usize) -> Vec<&'static str> {
        let (a, b) = (index / B::VALUES.len(), index % B::VALUES.len());
        vec![A::as_str(A::VALUES[a]), B::as_str(B::VALUES[b])]
    }

    fn check() -> Result<(), Error> {
        <A as Labels>::check()?;
        <B as Labels>::check()
    }
}

/// Makes a [`Label`]: an enum of words, or a name for an enum that has `as_str` already.
///
/// ```
/// use icapstan_metrics::label;
///
/// label! {
///     /// What happened.
///     pub enum Event as "event" {
///         /// It began.
///         Begun = "begun",
///         /// It ended.
///         Ended = "ended",
///     }
/// }
///
/// /// An enum of another crate.
/// #[derive(Clone, Copy)]
/// pub enum Colour {
///     Red,
///     Blue,
/// }
///
/// impl Colour {
///     pub fn as_str(self) -> &'static str {
///         match self {
///             Self::Red => "red",
///             Self::Blue => "blue",
///         }
///     }
/// }
///
/// label! {
///     /// By what colour.
///     pub struct ByColour(Colour) as "colour" { Red, Blue }
/// }
/// ```
///
/// The values of an enum of another crate are listed all and in its order, or else it does not compile:
///
/// ```compile_fail
/// # #[derive(Clone, Copy)]
/// # pub enum Colour { Red, Blue }
/// # impl Colour { pub fn as_str(self) -> &'static str { "" } }
/// icapstan_metrics::label! {
///     /// Not all.
///     pub struct ByColour(Colour) as "colour" { Red }
/// }
/// ```
///
/// ```compile_fail
/// # #[derive(Clone, Copy)]
/// # pub enum Colour { Red, Blue }
/// # impl Colour { pub fn as_str(self) -> &'static str { "" } }
/// icapstan_metrics::label! {
///     /// Not in order.
///     pub struct ByColour(Colour) as "colour" { Blue, Red }
/// }
/// ```
#[macro_export]
macro_rules! label {
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $name:ident as $label:literal {
            $($(#[$doc:meta])* $value:ident = $word:literal),+ $(,)?
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $visibility enum $name {
            $($(#[$doc])* $value,)+
        }

        impl $name {
            /// The word in metrics and logs.
            #[allow(dead_code, reason = "not every label is also told elsewhere")]
            $visibility const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $word,)+
                }
            }
        }

        impl $crate::Label for $name {
            type Value = Self;
            const NAME: &'static str = $label;
            const VALUES: &'static [Self] = &[$(Self::$value),+];

            fn index(value: Self) -> usize {
                value as usize
            }

            fn as_str(value: Self) -> &'static str {
                value.as_str()
            }
        }
    };
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $name:ident($enum:ident) as $label:literal { $($value:ident),+ $(,)? }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug)]
        $visibility struct $name;

        impl $crate::Label for $name {
            type Value = $enum;
            const NAME: &'static str = $label;
            const VALUES: &'static [$enum] = &[$($enum::$value),+];

            fn index(value: $enum) -> usize {
                value as usize
            }

            fn as_str(value: $enum) -> &'static str {
                value.as_str()
            }
        }

        const _: fn($enum) = |value| match value {
            $($enum::$value => {})+
        };

        const _: () = {
            let values = <$name as $crate::Label>::VALUES;
            let mut place = 0;
            while place < values.len() {
                assert!(values[place] as usize == place, "the values stand in the order of the enum");
                place += 1;
            }
        };
    };
}

//! The types of icapstan.yaml and of the custom resources.

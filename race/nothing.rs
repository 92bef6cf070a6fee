//! A package has to have something of its own.

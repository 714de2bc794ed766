//! Parameters, snapshots, fields and the study.

//! Dense and sparse linear algebra on tall matrices whose rows are shared out over ranks.

pub mod block_gram_schmidt;
pub(crate) mod block_tree;
pub mod bookmark;
pub mod dense;
pub mod exchange_rows;
pub mod gram_schmidt;
pub mod householder;
pub mod inner_product;
pub(crate) mod multiples;
pub mod orthonormal;
pub mod quasi_newton;
pub mod randomized_svd;
pub mod reconstruction;
pub mod reconstruction_batch;
pub mod scalar;
pub mod simd;
pub mod sketch;
pub mod slab_products;
pub mod slabs;
pub mod small;
pub mod sparse;
pub mod sparse_cholesky;
pub mod sparse_lu;
pub mod tall;
mod tall_in_place;
pub mod terms;
pub mod tsqr;

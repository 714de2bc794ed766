//! -u'' + mu u = 1 on ]0, 1[, u(0) = u(1) = 0, in linear elements of width 1 / 200; X that of mu = 1.

use faer::{Mat, MatRef};
use kolmo::linalg::double_double::DoubleDouble;
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::sparse_cholesky::SparseCholesky;
use kolmo::linalg::terms::{Pattern, TermsInMemory};
use kolmo::offline::reduced_basis::AffineProblem;
use sprs::CsMat;
use std::sync::Arc;

/// Interior nodes.
pub const N: usize = 199;

/// Terms K and M on one tridiagonal pattern, X = K + M.
pub struct Reaction {
    pub terms: TermsInMemory<f64>,
    pub load: Mat<f64>,
    pub x: CsMat<f64>,
}

impl Reaction {
    pub fn new() -> Reaction {
        let h = 1.0 / (N + 1) as f64;
        let (mut indptr, mut indices) = (vec![0], Vec::new());
        let (mut stiffness, mut mass) = (Vec::new(), Vec::new());
        for i in 0..N {
            for j in i.saturating_sub(1)..N.min(i + 2) {
                indices.push(j);
                stiffness.push(if i == j { 2.0 / h } else { -1.0 / h });
                mass.push(if i == j { 4.0 * h / 6.0 } else { h / 6.0 });
            }
            indptr.push(indices.len());
        }
        let sum: Vec<f64> = stiffness.iter().zip(&mass).map(|(k, m)| k + m).collect();
        let x = CsMat::new((N, N), indptr.clone(), indices.clone(), sum);
        let pattern = Arc::new(Pattern::Sparse { indptr, indices });
        Reaction {
            terms: TermsInMemory { pattern, values: vec![stiffness, mass] },
            load: Mat::from_fn(N, 1, |_, _| h),
            x,
        }
    }

    pub fn problem(&self) -> AffineProblem<'_, f64> {
        AffineProblem {
            matrices: &self.terms,
            rhs: self.load.clone(),
            outputs: Vec::new(),
            inner_product: InnerProduct::Sparse(self.x.clone()),
        }
    }

    /// K + mu M.
    pub fn matrix(&self, mu: f64) -> CsMat<f64> {
        let values = self.terms.values[0].iter().zip(&self.terms.values[1]).map(|(k, m)| k + mu * m).collect();
        CsMat::new((N, N), self.x.indptr().raw_storage().to_vec(), self.x.indices().to_vec(), values)
    }

    pub fn solve(&self, mu: f64) -> kolmo::Result<Mat<f64>> {
        SparseCholesky::new(&self.matrix(mu))?.solve(self.load.as_ref())
    }

    /// f - (K + mu M) u in 32 digits, rounded: neither the sum of the matrices nor the product is.
    pub fn residual(&self, mu: f64, u: &[DoubleDouble]) -> Vec<f64> {
        let Pattern::Sparse { indptr, indices } = self.terms.pattern.as_ref() else { unreachable!("tridiagonal") };
        let row = |i: usize| {
            let mut rest = DoubleDouble::new(self.load[(i, 0)]);
            for e in indptr[i]..indptr[i + 1] {
                let m = DoubleDouble::product(mu, self.terms.values[1][e]);
                let a = m.plus(DoubleDouble::new(self.terms.values[0][e]));
                rest = rest.plus(a.times(u[indices[e]]).negated());
            }
            rest.to_f64()
        };
        (0..N).map(row).collect()
    }

    /// The solution in 32 digits: refined with residuals in 32 digits until nothing changes.
    pub fn solve_extended(&self, mu: f64) -> kolmo::Result<Vec<DoubleDouble>> {
        let factors = SparseCholesky::new(&self.matrix(mu))?;
        let mut u = vec![DoubleDouble::default(); N];
        for _ in 0..4 {
            let r = self.residual(mu, &u);
            let step = factors.solve(MatRef::from_column_major_slice(&r, N, 1))?;
            u.iter_mut().enumerate().for_each(|(i, u)| *u = u.plus(DoubleDouble::new(step[(i, 0)])));
        }
        Ok(u)
    }

    /// Largest difference of the discrete solution from the exact one at the nodes.
    pub fn error_of_solver(&self, mu: f64) -> kolmo::Result<f64> {
        let (u, s) = (self.solve(mu)?, mu.sqrt());
        let exact = |x: f64| -((s * x).cosh() - 1.0) / mu + (s.cosh() - 1.0) * (s * x).sinh() / (mu * s.sinh());
        Ok((0..N).map(|i| (u[(i, 0)] - exact((i + 1) as f64 / (N + 1) as f64)).abs()).fold(0.0, f64::max))
    }
}

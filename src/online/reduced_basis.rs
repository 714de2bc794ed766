//! Evaluation of A(mu) u = f(mu) in the span of a basis: Galerkin projection or least residual.
//!
//! ```text
//! A(mu) = sum_q theta_q(mu) A_q,   f(mu) = sum_p gamma_p(mu) f_p,   u(mu) ≈ V y(mu),   VᴴXV = I
//! Galerkin:       sum_q theta_q VᴴA_qV y = sum_p gamma_p Vᴴf_p
//! least squares:  y = argmin ||f(mu) - A(mu) V y||
//! ```
//!
//! The coefficients theta and gamma come from outside, as slices. Nothing here depends on the number of dofs but
//! [`ReducedBasis::reconstruct`].

use super::reduced_basis_residual::Residual;
use crate::error::{Error, Result};
use crate::linalg::scalar::Scalar;
use crate::linalg::small::{Singular, add_combination, least_squares_in_place, lu_in_place, lu_solve_in_place};
use faer::{Mat, MatMut, MatRef};

/// How the coefficients y follow from the equations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Projection {
    /// Residual orthogonal to the basis: best in the energy norm where A is symmetric positive definite.
    #[default]
    #[doc(alias = "Ritz")]
    Galerkin,
    /// Least residual: stable where A is indefinite, never worse with more modes.
    #[doc(alias = "MinimumResidual")]
    #[doc(alias = "PetrovGalerkin")]
    LeastSquares,
}

/// What a [`ReducedBasis`] is made of.
#[derive(Debug, Clone)]
pub struct Parts<T> {
    /// V [n_dofs, n_modes].
    pub basis: Mat<T>,
    /// VᴴA_qV [n_modes, n_modes], one per term.
    pub matrices: Vec<Mat<T>>,
    /// Vᴴf_p [n_modes, n_rhs].
    pub rhs: Mat<T>,
    /// Vᴴl_{k,s} [n_modes, n_parts of output k], one per output.
    pub outputs: Vec<Mat<T>>,
    /// The residual of every y in a space of few rows.
    pub residual: Option<Residual<T>>,
    pub projection: Projection,
    /// Singular values of the snapshots that the modes come from, or norms of what each new mode added; descending or in
    /// the order of the modes. May be empty.
    pub singular_values: Vec<f64>,
}

/// A trained reduced basis.
#[derive(Debug, Clone)]
pub struct ReducedBasis<T> {
    parts: Parts<T>,
    /// Entry (i, j) of VᴴA_qV at (q n_modes + j) n_modes + i.
    packed: Vec<T>,
}

/// Memory of one thread for [`ReducedBasis::solve`] and what belongs to it.
#[derive(Debug, Clone, Default)]
pub struct Workspace<T> {
    matrix: Vec<T>,
    vector: Vec<T>,
    pub(super) residual: Vec<T>,
    pub(super) solution: Vec<T>,
    swaps: Vec<usize>,
    largest: Vec<f64>,
}

/// Signs of the eigenvalues of the Hermitian part of a reduced matrix; those within n eps of the largest are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inertia {
    pub negative: usize,
    pub zero: usize,
    pub positive: usize,
}

impl<T: Scalar> Workspace<T> {
    fn reserve(&mut self, model: &ReducedBasis<T>) {
        let (n, k) = (model.n_modes(), model.parts.residual.as_ref().map_or(0, Residual::n_rows));
        let rows = if model.parts.projection == Projection::LeastSquares { n.max(k) } else { n };
        grow(&mut self.matrix, rows * n);
        grow(&mut self.vector, rows);
        grow(&mut self.solution, n);
        grow(&mut self.residual, k);
        grow(&mut self.swaps, n);
        grow(&mut self.largest, n);
    }
}

/// Allocates where the workspace comes from a smaller model only.
fn grow<A: Clone + Default>(v: &mut Vec<A>, n: usize) {
    if v.len() < n {
        v.resize(n, A::default());
    }
}

impl<T: Scalar> ReducedBasis<T> {
    /// Checks that the parts fit together and are finite. Errors: [`Error::Argument`] that names the part.
    pub fn new(parts: Parts<T>) -> Result<ReducedBasis<T>> {
        let n = parts.basis.ncols();
        let shape = |m: &Mat<T>| (m.nrows(), m.ncols());
        if n == 0 || parts.basis.nrows() < n {
            let found = format!("{} x {n}", parts.basis.nrows());
            return Err(Error::argument("reduced basis", found, "at least one mode, and a dof for each"));
        }
        if parts.matrices.is_empty() || parts.rhs.ncols() == 0 {
            let found = format!("{} matrices, {} right-hand sides", parts.matrices.len(), parts.rhs.ncols());
            return Err(Error::argument("terms of a reduced basis", found, "at least one of each"));
        }
        if let Some((q, m)) = parts.matrices.iter().enumerate().find(|(_, m)| shape(m) != (n, n)) {
            let what = format!("shape of reduced matrix {q}");
            return Err(Error::argument(what, format!("{} x {}", m.nrows(), m.ncols()), format!("{n} x {n}")));
        }
        let columns = std::iter::once(("reduced right-hand side", &parts.rhs));
        for (what, m) in columns.chain(parts.outputs.iter().map(|l| ("reduced output", l))) {
            if m.nrows() != n {
                return Err(Error::argument(format!("rows of a {what}"), m.nrows(), n));
            }
        }
        let small = parts.matrices.iter().chain(std::iter::once(&parts.rhs)).chain(&parts.outputs);
        if !small.chain(std::iter::once(&parts.basis)).all(|m| m.col_iter().all(|c| c.iter().all(|x| x.finite()))) {
            return Err(Error::argument("reduced basis", "an entry that is not finite", "finite numbers"));
        }
        let expected = (n, parts.matrices.len(), parts.rhs.ncols());
        match &parts.residual {
            Some(r) if r.shape() != expected => {
                let found = format!("{:?} modes, terms, right-hand sides", r.shape());
                return Err(Error::argument("compressed residual", found, format!("{expected:?}")));
            }
            Some(r) if parts.projection == Projection::LeastSquares && r.n_rows() < n => {
                let expected = format!("at least {n}, one per mode; mend: keep more rows of the residual");
                return Err(Error::argument("rows of the compressed residual", r.n_rows(), expected));
            }
            None if parts.projection == Projection::LeastSquares => {
                return Err(Error::argument("least squares", "no compressed residual", "one"));
            }
            _ => {}
        }
        let packed = parts.matrices.iter().flat_map(|m| m.col_iter().flat_map(|c| c.iter().copied())).collect();
        Ok(ReducedBasis { parts, packed })
    }

    /// What it is made of.
    pub fn parts(&self) -> &Parts<T> {
        &self.parts
    }

    /// Gives its parts back.
    pub fn into_parts(self) -> Parts<T> {
        self.parts
    }

    /// V [n_dofs, n_modes].
    pub fn basis(&self) -> MatRef<'_, T> {
        self.parts.basis.as_ref()
    }

    /// Number of modes.
    pub fn n_modes(&self) -> usize {
        self.parts.basis.ncols()
    }

    /// Number of matrices A_q.
    pub fn n_terms(&self) -> usize {
        self.parts.matrices.len()
    }

    /// Number of right-hand sides f_p.
    pub fn n_rhs(&self) -> usize {
        self.parts.rhs.ncols()
    }

    /// The compressed residual, where there is one.
    pub fn residual(&self) -> Option<&Residual<T>> {
        self.parts.residual.as_ref()
    }

    /// Memory for one thread.
    pub fn workspace(&self) -> Workspace<T> {
        let mut workspace = Workspace::default();
        workspace.reserve(self);
        workspace
    }

    fn check(&self, theta: &[T], gamma: &[T], n_modes: usize) -> Result<()> {
        check_coefficients("theta", theta, self.n_terms())?;
        check_coefficients("gamma", gamma, self.n_rhs())?;
        if n_modes == 0 || n_modes > self.n_modes() {
            return Err(Error::argument("modes", n_modes, format!("1 to {}", self.n_modes())));
        }
        Ok(())
    }

    /// Coefficients y [n_modes] of u ≈ V y in the leading `n_modes` modes, in `workspace`.
    ///
    /// theta [n_terms], gamma [n_rhs]. Nothing is allocated where the workspace comes from
    /// [`workspace`](Self::workspace). Errors: numbers of coefficients, coefficients that are not finite, modes that are
    /// not there, a reduced matrix that is singular up to round-off. O(d N² + N³) for d terms and N modes; least squares
    /// O(d k N + k N²) for k rows of the compressed residual. Not collective.
    ///
    /// Reference: Hesthaven, Rozza, Stamm, Certified Reduced Basis Methods, Springer 2016; Quarteroni, Manzoni, Negri,
    /// Reduced Basis Methods for Partial Differential Equations, Springer 2016 (least squares: section 3.3).
    pub fn solve<'w>(
        &self,
        theta: &[T],
        gamma: &[T],
        n_modes: usize,
        workspace: &'w mut Workspace<T>,
    ) -> Result<&'w [T]> {
        self.solve_in(theta, gamma, n_modes, workspace)?;
        Ok(&workspace.solution[..n_modes])
    }

    /// [`solve`](Self::solve) and its [`indicator`](Self::indicator).
    pub fn solve_with_indicator<'w>(
        &self,
        theta: &[T],
        gamma: &[T],
        n_modes: usize,
        workspace: &'w mut Workspace<T>,
    ) -> Result<(&'w [T], f64)> {
        self.solve_in(theta, gamma, n_modes, workspace)?;
        let Workspace { residual, solution, .. } = workspace;
        let y = &solution[..n_modes];
        let indicator = self.known_residual()?.relative(theta, gamma, y, residual);
        Ok((y, indicator))
    }

    /// ||f(mu) - A(mu) V y|| / ||f(mu)|| of any coefficients `y`, at least `n_modes` of them, in the norm of the
    /// compressed residual: 0 / 0 is 0.
    ///
    /// No square of the residual is formed from products of its parts: it is seen down to round-off of its parts, not of
    /// their squares. [`Residual::norm`] says how far the number can be from the truth. Errors: as
    /// [`solve`](Self::solve); a model without residual. O(d k N); nothing is allocated.
    ///
    /// Reference: Buhr, Engwer, Ohlberger, Rave, A numerically stable a posteriori error estimator for reduced basis
    /// approximations of elliptic equations, WCCM XI (2014).
    pub fn indicator(
        &self,
        theta: &[T],
        gamma: &[T],
        y: &[T],
        n_modes: usize,
        workspace: &mut Workspace<T>,
    ) -> Result<f64> {
        self.check(theta, gamma, n_modes)?;
        if y.len() < n_modes {
            return Err(Error::argument("coefficients y", y.len(), format!("at least {n_modes}")));
        }
        workspace.reserve(self);
        Ok(self.known_residual()?.relative(theta, gamma, &y[..n_modes], &mut workspace.residual))
    }

    pub(super) fn known_residual(&self) -> Result<&Residual<T>> {
        let residual = self.parts.residual.as_ref();
        residual.ok_or_else(|| Error::argument("indicator", "a model without compressed residual", "one that has it"))
    }

    pub(super) fn solve_in(&self, theta: &[T], gamma: &[T], n_modes: usize, w: &mut Workspace<T>) -> Result<()> {
        self.check(theta, gamma, n_modes)?;
        w.reserve(self);
        let n = n_modes;
        let outcome = match (self.parts.projection, &self.parts.residual) {
            (Projection::LeastSquares, Some(residual)) => {
                let k = residual.n_rows();
                let (matrix, vector) = (&mut w.matrix[..k * n], &mut w.vector[..k]);
                residual.assemble(theta, matrix);
                residual.assemble_rhs(gamma, vector);
                least_squares_in_place(matrix, k, n, vector).map(|_| ())
            }
            _ => {
                let (matrix, vector) = (&mut w.matrix[..n * n], &mut w.vector[..n]);
                self.combine(theta, n, matrix);
                self.combine_rhs(gamma, vector);
                let done = lu_in_place(matrix, n, &mut w.swaps[..n], &mut w.largest[..n]);
                done.map(|()| lu_solve_in_place(matrix, n, &w.swaps, vector))
            }
        };
        outcome.map_err(|s| singular(n, s))?;
        w.solution[..n].copy_from_slice(&w.vector[..n]);
        Ok(())
    }

    /// out [n, n] = leading block of sum_q theta_q VᴴA_qV, column after column.
    pub(super) fn combine(&self, theta: &[T], n: usize, out: &mut [T]) {
        let size = self.n_modes();
        out.fill(T::default());
        if n == size {
            return add_combination(out, theta.len(), |q| theta[q], &self.packed, size * size);
        }
        for (j, column) in out.chunks_exact_mut(n).enumerate() {
            add_combination(column, theta.len(), |q| theta[q], &self.packed[j * size..], size * size);
        }
    }

    /// out [n] = leading entries of sum_p gamma_p Vᴴf_p.
    pub(super) fn combine_rhs(&self, gamma: &[T], out: &mut [T]) {
        out.fill(T::default());
        for (g, column) in gamma.iter().zip(self.parts.rhs.col_iter()) {
            out.iter_mut().zip(column.iter()).for_each(|(o, x)| *o += *g * *x);
        }
    }

    /// Value sum_s lambda_s l_{k,s}ᴴ V y of output `k`. Errors: an output that is not there, lengths that do not fit.
    pub fn output(&self, k: usize, lambda: &[T], y: &[T]) -> Result<T> {
        let Some(l) = self.parts.outputs.get(k) else {
            return Err(Error::argument("output", k, format!("one of {}", self.parts.outputs.len())));
        };
        check_coefficients("lambda", lambda, l.ncols())?;
        self.check_y(y.len())?;
        let value = |s: usize| -> T { y.iter().zip(l.col(s).iter()).map(|(y, l)| l.conjugate() * *y).sum() };
        Ok(lambda.iter().enumerate().map(|(s, c)| *c * value(s)).sum())
    }

    fn check_y(&self, n: usize) -> Result<()> {
        match n {
            0 => Err(Error::argument("coefficients y", 0, "at least 1")),
            n if n > self.n_modes() => Err(Error::argument("coefficients y", n, format!("at most {}", self.n_modes()))),
            _ => Ok(()),
        }
    }

    /// V y [n_dofs, b] from coefficients [at most n_modes, b] of the leading modes. Errors: more coefficients than modes.
    pub fn reconstruct(&self, y: MatRef<'_, T>) -> Result<Mat<T>> {
        let mut u = Mat::zeros(self.parts.basis.nrows(), y.ncols());
        self.reconstruct_into(y, u.as_mut())?;
        Ok(u)
    }

    /// [`reconstruct`](Self::reconstruct) into `out` [n_dofs, b].
    pub fn reconstruct_into(&self, y: MatRef<'_, T>, out: MatMut<'_, T>) -> Result<()> {
        self.check_y(y.nrows())?;
        let expected = (self.parts.basis.nrows(), y.ncols());
        if (out.nrows(), out.ncols()) != expected {
            return Err(Error::argument(
                "shape of fields",
                format!("{:?}", (out.nrows(), out.ncols())),
                format!("{expected:?}"),
            ));
        }
        T::gemm(out, false, self.parts.basis.as_ref().subcols(0, y.nrows()), y, T::real(1.0));
        Ok(())
    }

    /// Keeps the leading modes; all else follows without a new projection.
    pub fn truncated(&self, n_modes: usize) -> Result<ReducedBasis<T>> {
        let (n, parts) = (n_modes.min(self.n_modes()), &self.parts);
        let block = |m: &Mat<T>, rows: usize, columns: usize| m.as_ref().submatrix(0, 0, rows, columns).to_owned();
        ReducedBasis::new(Parts {
            basis: block(&parts.basis, parts.basis.nrows(), n),
            matrices: parts.matrices.iter().map(|m| block(m, n, n)).collect(),
            rhs: block(&parts.rhs, n, self.n_rhs()),
            outputs: parts.outputs.iter().map(|l| block(l, n, l.ncols())).collect(),
            residual: parts.residual.as_ref().map(|r| r.truncated(n)),
            projection: parts.projection,
            singular_values: parts.singular_values.clone(),
        })
    }

    /// Signs of the eigenvalues of the Hermitian part of sum_q theta_q VᴴA_qV in the leading modes.
    ///
    /// Where A(mu) is positive definite and its affine form is exact, all are positive: others tell that the form lost
    /// it. Errors: as [`solve`](Self::solve), eigenvalues that do not converge. O(d N² + N³); allocates.
    pub fn inertia(&self, theta: &[T], n_modes: usize) -> Result<Inertia> {
        self.check(theta, &vec![T::default(); self.n_rhs()], n_modes)?;
        let mut a = vec![T::default(); n_modes * n_modes];
        self.combine(theta, n_modes, &mut a);
        let at = |i: usize, j: usize| a[j * n_modes + i];
        let half = T::real(0.5);
        let hermitian = Mat::from_fn(n_modes, n_modes, |i, j| half * (at(i, j) + at(j, i).conjugate()));
        let values = T::hermitian_eigenvalues(hermitian.as_ref())?;
        let largest = values.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        let floor = n_modes as f64 * f64::EPSILON * largest;
        let count = |keep: fn(f64, f64) -> bool| values.iter().filter(|x| keep(**x, floor)).count();
        let (negative, positive) = (count(|x, floor| x < -floor), count(|x, floor| x > floor));
        Ok(Inertia { negative, zero: n_modes - negative - positive, positive })
    }
}

/// The reduced matrix that could not be solved with.
pub(super) fn singular(n: usize, s: Singular) -> Error {
    let found = format!("pivot {} is {:.1e} where its column has {:.1e}: singular", s.column, s.pivot, s.largest);
    let expected = "a regular matrix; mend: use fewer modes, check the coefficients, or project by least squares";
    Error::argument(format!("reduced matrix of {n} modes"), found, expected)
}

fn check_coefficients<T: Scalar>(name: &str, found: &[T], n: usize) -> Result<()> {
    if found.len() != n {
        return Err(Error::argument(format!("coefficients {name}"), found.len(), n));
    }
    match found.iter().position(|x| !x.finite()) {
        Some(i) => Err(Error::argument(format!("coefficient {i} of {name}"), found[i], "a finite number")),
        None => Ok(()),
    }
}

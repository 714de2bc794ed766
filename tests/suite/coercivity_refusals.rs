//! What stability constants are refused for, each with its reason.

use crate::affine::{random, random_terms};
use crate::coercivity::positive;
use faer::{Mat, c64};
use kolmo::algorithms::coercivity::multipliers::Workspace;
use kolmo::algorithms::coercivity::{Constraint, MinTheta, SuccessiveConstraints, interpolated_inf_sup};
use kolmo::error::Error;
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::sparse::from_triplets;
use kolmo::linalg::symmetric_pencil::SymmetricPencil;
use kolmo::linalg::terms::{Pattern, TermsInMemory};
use kolmo::offline::coercivity::{ScmOptions, min_theta_references, successive_constraint_method};
use kolmo::offline::inf_sup::inf_sup_constants;
use std::sync::Arc;

fn refused<T: std::fmt::Debug>(outcome: kolmo::Result<T>, words: &str) {
    let message = outcome.unwrap_err().to_string();
    assert!(message.contains(words), "`{words}` in: {message}");
}

/// Two diagonal matrices of three rows.
fn diagonals(a: [f64; 3], b: [f64; 3]) -> TermsInMemory<f64> {
    let pattern = Pattern::Sparse { indptr: vec![0, 1, 2, 3], indices: vec![0, 1, 2] };
    TermsInMemory { pattern: Arc::new(pattern), values: vec![a.to_vec(), b.to_vec()] }
}

fn good() -> TermsInMemory<f64> {
    diagonals([1.0, 0.0, 2.0], [0.0, 3.0, 1.0])
}

fn pencil() -> SymmetricPencil {
    SymmetricPencil::new(&good(), &InnerProduct::Euclidean).unwrap()
}

#[test]
fn inner_products_that_are_not_positive_definite() {
    let new = |x: InnerProduct| SymmetricPencil::new(&good(), &x);
    refused(new(InnerProduct::Diagonal(vec![1.0, 0.0, 1.0])), "weight 1");
    refused(new(InnerProduct::Diagonal(vec![1.0, -1.0, 1.0])), "weight 1");
    refused(new(InnerProduct::Diagonal(vec![1.0; 2])), "weights of an inner product");
    let indefinite = from_triplets(3, 3, &[(0, 0, 1.0), (1, 1, 1.0), (2, 2, 1.0), (0, 1, 2.0), (1, 0, 2.0)]);
    let outcome = new(InnerProduct::Sparse(indefinite.clone()));
    assert!(matches!(outcome, Err(Error::NotPositiveDefinite { .. })), "{outcome:?}");
    let skew = from_triplets(3, 3, &[(0, 0, 1.0), (1, 1, 1.0), (2, 2, 1.0), (0, 1, 0.5)]);
    refused(new(InnerProduct::Sparse(skew)), "symmetric");
    let singular = from_triplets(3, 3, &[(0, 0, 1.0), (1, 1, 1.0), (2, 2, 1.0), (0, 1, 1.0), (1, 0, 1.0)]);
    assert!(new(InnerProduct::Sparse(singular)).is_err());
    let nan = from_triplets(3, 3, &[(0, 0, 1.0), (1, 1, f64::NAN), (2, 2, 1.0)]);
    assert!(new(InnerProduct::Sparse(nan)).is_err());
    let theta = Mat::full(2, 1, 1.0);
    let outcome = inf_sup_constants(&good(), &InnerProduct::Sparse(indefinite), theta.as_ref());
    assert!(matches!(outcome, Err(Error::NotPositiveDefinite { .. })), "{outcome:?}");
    refused(inf_sup_constants(&good(), &InnerProduct::Diagonal(vec![0.0; 3]), theta.as_ref()), "weight 0");
}

#[test]
fn matrices_that_are_none() {
    let new = |terms: TermsInMemory<f64>| SymmetricPencil::new(&terms, &InnerProduct::Euclidean);
    refused(new(diagonals([1.0, f64::NAN, 1.0], [1.0; 3])), "entry (1, 1) of matrix 0");
    refused(new(diagonals([1.0; 3], [1.0, 1.0, f64::INFINITY])), "entry (2, 2) of matrix 1");
    refused(new(TermsInMemory { values: Vec::new(), ..good() }), "0 matrices");
    let pattern = Pattern::Sparse { indptr: vec![0, 1, 2, 3], indices: vec![0, 1, 7] };
    refused(new(TermsInMemory { pattern: Arc::new(pattern), ..good() }), "columns below 3");
}

#[test]
fn coefficients_of_the_wrong_number_or_kind() {
    let p = pencil();
    refused(p.smallest(&[1.0]), "coefficients theta");
    refused(p.smallest(&[1.0, f64::NAN]), "coefficient 1");
    refused(p.smallest(&[0.0, 0.0]), "zeros only");
    refused(p.range(2), "one of 2");
    let train = |theta: &Mat<f64>, options: &ScmOptions| successive_constraint_method(&p, theta.as_ref(), options);
    let options = ScmOptions::default();
    refused(train(&Mat::zeros(2, 0), &options), "m >= 1");
    refused(train(&Mat::zeros(3, 4), &options), "2 x m");
    refused(train(&Mat::full(2, 2, f64::NAN), &options), "finite");
    let theta = positive(2, 5, 1, true);
    for bad in [
        ScmOptions { tolerance: -0.1, ..options },
        ScmOptions { tolerance: f64::NAN, ..options },
        ScmOptions { max_constraints: 0, ..options },
        ScmOptions { n_nearest: 0, ..options },
    ] {
        assert!(train(&theta, &bad).is_err(), "{bad:?}");
    }
    let (model, _) = train(&theta, &options).unwrap();
    let mut memory = Workspace::default();
    refused(model.bounds(&[1.0], &mut memory), "coefficients theta");
    refused(model.bounds(&[f64::NAN, 1.0], &mut memory), "coefficient 0");
}

#[test]
fn min_theta_says_where_it_does_not_hold() {
    let p = pencil();
    let model = min_theta_references(&p, Mat::full(2, 1, 1.0).as_ref()).unwrap();
    // The terms are diagonal: min(theta_0, 3 theta_1, 2 theta_0 + theta_1).
    let bound = model.min_theta(&[2.0, 0.5]).unwrap().value();
    assert!(bound <= 1.5 && bound > 0.49, "{bound}");
    refused(model.min_theta(&[2.0, 0.0]), "coefficient 1");
    refused(model.min_theta(&[-1.0, 1.0]), "successive constraint method");
    refused(model.min_theta(&[1.0, f64::NAN]), "finite");
    refused(model.min_theta(&[1.0]), "coefficients theta");
    refused(min_theta_references(&p, Mat::from_fn(2, 1, |q, _| q as f64).as_ref()), "coefficient 0 of reference 0");
    let indefinite =
        SymmetricPencil::new(&diagonals([1.0, -1e-3, 2.0], [0.0, 3.0, 1.0]), &InnerProduct::Euclidean).unwrap();
    refused(min_theta_references(&indefinite, Mat::full(2, 1, 1.0).as_ref()), "term 0 of min-theta");
    refused(MinTheta::new(vec![(0.0, 1.0)], Vec::new()), "references");
    let reference = |lower| Constraint { theta: vec![1.0], lower, minimiser: vec![0.5] };
    refused(MinTheta::new(vec![(0.0, 1.0)], vec![reference(0.0)]), "coercive");
}

#[test]
fn parts_that_do_not_fit() {
    let c = Constraint { theta: vec![1.0, 1.0], lower: 0.5, minimiser: vec![0.5, 0.5] };
    let new = |range: Vec<(f64, f64)>, c: Constraint| SuccessiveConstraints::new(range, vec![c], 3);
    let range = vec![(0.0, 1.0), (0.0, 1.0)];
    assert!(new(range.clone(), c.clone()).is_ok());
    refused(new(Vec::new(), c.clone()), "terms");
    refused(new(vec![(0.0, 1.0), (1.0, 0.0)], c.clone()), "range of term 1");
    refused(new(vec![(0.0, 1.0), (0.0, f64::INFINITY)], c.clone()), "range of term 1");
    refused(new(range.clone(), Constraint { theta: vec![1.0], ..c.clone() }), "constraint 0");
    refused(new(range.clone(), Constraint { lower: f64::NAN, ..c.clone() }), "constraint 0");
    refused(new(range, Constraint { minimiser: vec![f64::NAN, 0.0], ..c }), "constraint 0");
}

#[test]
fn inf_sup_constants_of_singular_matrices() {
    let x = InnerProduct::Euclidean;
    let theta = |values: [f64; 2]| Mat::from_fn(2, 1, |q, _| values[q]);
    assert!(inf_sup_constants(&good(), &x, theta([1.0, 0.0]).as_ref()).is_err(), "a row of zeros");
    assert!(inf_sup_constants(&good(), &x, theta([f64::NAN, 0.0]).as_ref()).is_err());
    refused(inf_sup_constants(&good(), &x, Mat::full(3, 1, 1.0).as_ref()), "2 x m");
    let terms = random_terms::<c64>(10, 2, true, 1);
    assert!(inf_sup_constants(&terms, &InnerProduct::Diagonal(vec![1.0; 9]), random(2, 1, 2).as_ref()).is_err());
    let points = random::<f64>(3, 1, 4);
    refused(interpolated_inf_sup(points.as_ref(), &[1.0, 2.0]), "inf-sup constants");
    refused(interpolated_inf_sup(points.as_ref(), &[1.0, 0.0, 2.0]), "inf-sup constant 1");
    refused(interpolated_inf_sup(points.as_ref(), &[1.0, f64::NAN, 2.0]), "inf-sup constant 1");
    let model = interpolated_inf_sup(points.as_ref(), &[1.0, 1.5, 2.0]).unwrap();
    assert!(model.estimate(&[1.0, 2.0]).is_err() && model.estimate(&[f64::NAN]).is_err());
}

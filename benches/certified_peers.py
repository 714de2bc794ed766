"""Solution and bound of the reduced data of benches/certified.rs in pyMOR, and pyMOR's own greedy, one BLAS thread.

Started by that bench with the file, the bound at a point and the point; ends with exit code 1 where pyMOR is missing.
"""
import os
import sys
import time

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

try:
    import numpy as np
    import pymor
    from pymor.algorithms.greedy import rb_greedy
    from pymor.analyticalproblems.thermalblock import thermal_block_problem
    from pymor.core.logger import set_log_levels
    from pymor.discretizers.builtin import discretize_stationary_cg
    from pymor.models.basic import StationaryModel
    from pymor.operators.constructions import LincombOperator
    from pymor.operators.numpy import NumpyMatrixOperator
    from pymor.parameters.functionals import MinThetaParameterFunctional, ProjectionParameterFunctional
    from pymor.reductors.coercive import CoerciveRBEstimator, CoerciveRBReductor
    from pymor.reductors.residual import ResidualOperator
except ImportError:
    raise SystemExit(1)

set_log_levels({"pymor": "ERROR"})


def online(path, bound, theta):
    with open(path) as f:
        n, d, k = map(int, f.readline().split())
        matrices = [np.loadtxt(f, max_rows=n) for _ in range(d)]
        rhs = np.loadtxt(f, max_rows=n)
        columns = [np.loadtxt(f, max_rows=k) for _ in range(d)]
        of_rhs = np.loadtxt(f, max_rows=k)
    functionals = [ProjectionParameterFunctional("mu", size=d, index=q) for q in range(d)]
    operator = LincombOperator([NumpyMatrixOperator(m) for m in matrices], functionals)
    residual = LincombOperator([NumpyMatrixOperator(m) for m in columns], functionals)
    alpha = MinThetaParameterFunctional(functionals, {"mu": np.ones(d)}, 1.0)
    estimator = CoerciveRBEstimator(
        ResidualOperator(residual, NumpyMatrixOperator(of_rhs[:, None])), None, alpha)
    model = StationaryModel(operator, NumpyMatrixOperator(rhs[:, None]), error_estimator=estimator)
    mu = model.parameters.parse({"mu": theta})
    u = model.solve(mu)
    found = float(np.ravel(estimator.estimate_error(u, mu, model))[0])
    assert abs(found - bound) < 1e-6 * bound + 1e-14, (found, bound)

    def least(f, repeats=500):
        def once():
            start = time.perf_counter()
            f()
            return time.perf_counter() - start

        return min(once() for _ in range(repeats))

    solve = least(lambda: model.solve(mu))
    both = least(lambda: estimator.estimate_error(model.solve(mu), mu, model))
    print(f"pyMOR {pymor.__version__}, the same reduced data: solve {1e6 * solve:.1f} µs; solve and bound {1e6 * both:.1f} µs")


def greedy():
    model, _ = discretize_stationary_cg(thermal_block_problem((2, 2)), diameter=np.sqrt(2) / 56)
    alpha = MinThetaParameterFunctional(
        model.operator.coefficients[1:] if len(model.operator.operators) > 4 else model.operator.coefficients,
        {"diffusion": np.ones((2, 2))}, 1.0)
    reductor = CoerciveRBReductor(model, product=model.h1_0_semi_product, coercivity_estimator=alpha,
                                  check_orthonormality=False)
    training = model.parameters.space(0.1, 1.0).sample_randomly(256)
    start = time.process_time()
    found = rb_greedy(model, reductor, training, max_extensions=27)
    seconds = time.process_time() - start
    print(f"pyMOR, greedy, 256 training points, {model.order} unknowns, {found['extensions']} modes: {seconds:.2f} CPU s")


if __name__ == "__main__":
    online(sys.argv[1], float(sys.argv[2]), [float(t) for t in sys.argv[3:]])
    greedy()

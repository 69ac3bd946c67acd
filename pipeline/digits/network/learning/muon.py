"""The optimizer Muon for convolutions, on Keras's public interface: Keras's own leaves their kernels to Adam."""

from typing import Any

import keras
from keras import ops

MOMENTUM = 0.95
ADAM_BETAS = 0.9, 0.999
ADAM_RATE = 0.3
EPSILON = 1e-7
ITERATIONS = 4
COEFFICIENTS = 3.4445, -4.7750, 2.0315
UPDATE_RMS = 0.2


class Muon(keras.optimizers.Optimizer):  # type: ignore[misc]  # Keras carries no types
    """Momentum whose step for a kernel is the nearest orthogonal matrix, found by Newton-Schulz iteration.

    Jordan et al., 2024, scaled to Adam's step as in Liu et al., 2025 (arXiv 2502.16982), so that one learning rate serves
    kernels and the rest. A convolution counts as a matrix with a column for each filter. Vectors and the layer ``logits`` get
    Adam's step (Kingma and Ba, 2015) at 0.3 of the rate.
    """

    def build(self, variables: list[Any]) -> None:
        """Make a momentum for each variable, and a velocity for those that get Adam's step."""
        if self.built:
            return
        super().build(variables)
        self._momenta = {one.value.ref(): self.add_variable_from_reference(one, name="momentum") for one in variables}
        self._velocities = {
            one.value.ref(): self.add_variable_from_reference(one, name="velocity") for one in variables if not _is_kernel(one)
        }

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Move one variable, which comes as TensorFlow's own."""
        momentum, velocity = self._momenta[variable.ref()], self._velocities.get(variable.ref())
        rate = ops.cast(learning_rate, variable.dtype)
        if velocity is None:
            self.assign_sub(variable, rate * self._orthogonal(gradient, momentum))
        else:
            self.assign_sub(variable, ADAM_RATE * rate * self._adam(gradient, momentum, velocity))

    def _orthogonal(self, gradient: Any, momentum: Any) -> Any:
        self.assign(momentum, MOMENTUM * momentum + gradient)
        matrix = ops.reshape(gradient + MOMENTUM * momentum, (-1, gradient.shape[-1]))
        scale = UPDATE_RMS * max(matrix.shape) ** 0.5
        return ops.reshape(scale * _nearest_orthogonal(matrix), gradient.shape)

    def _adam(self, gradient: Any, momentum: Any, velocity: Any) -> Any:
        first, second = ADAM_BETAS
        self.assign(momentum, first * momentum + (1 - first) * gradient)
        self.assign(velocity, second * velocity + (1 - second) * ops.square(gradient))
        step = ops.cast(self.iterations + 1, gradient.dtype)
        mean, square = momentum / (1 - ops.power(first, step)), velocity / (1 - ops.power(second, step))
        return mean / (ops.sqrt(square) + EPSILON)


def _is_kernel(variable: Any) -> bool:
    return len(variable.shape) > 1 and "logits" not in variable.path


def _nearest_orthogonal(matrix: Any) -> Any:
    is_tall = matrix.shape[0] > matrix.shape[1]
    wide = ops.transpose(matrix) if is_tall else matrix
    wide = wide / (ops.norm(wide) + EPSILON)
    linear, cubic, quintic = COEFFICIENTS
    for _ in range(ITERATIONS):
        square = ops.matmul(wide, ops.transpose(wide))
        wide = linear * wide + ops.matmul(cubic * square + quintic * ops.matmul(square, square), wide)
    return ops.transpose(wide) if is_tall else wide

"""The optimizers of a training: AdamW, SGD, and Muon for matrices beside AdamW for the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor, nn

from core.training import sharding

if TYPE_CHECKING:
    from core.training.config import TrainConfig

Groups: TypeAlias = list[dict[str, Any]]
SGD_MOMENTUM = 0.9


def _bare(method: Any) -> Any:
    """The method below torch's wrapper; itself in a torch that wraps no longer."""
    return getattr(method, "__wrapped__", method)


def _plain(step: Any) -> Any:
    """A step that torch does not wrap for its hooks and its profiler: a tenth of a small one."""
    made: Any = torch.no_grad()(step)
    made.hooked = True
    return made


# torch loads its compiler, 1.5 s of start, to hide an optimizer from it: eager training needs none
# of that. The arithmetic is torch's own.


class AdamW(torch.optim.AdamW):
    add_param_group = _bare(torch.optim.AdamW.add_param_group)

    @_plain
    def step(self, closure: None = None) -> None:
        """Update every parameter that has a gradient."""
        _bare(torch.optim.AdamW.step)(self, closure)


class SGD(torch.optim.SGD):
    add_param_group = _bare(torch.optim.SGD.add_param_group)

    @_plain
    def step(self, closure: None = None) -> None:
        """Update every parameter that has a gradient."""
        _bare(torch.optim.SGD.step)(self, closure)


class Muon(torch.optim.Muon):
    """Momentum made orthogonal (Jordan et al. 2024), also for the filters of convolutions.

    A filter bank is the matrix of its filters, one a row. The step is as large as AdamW's would be
    (Liu et al. 2025), so both go by one learning rate.
    """

    add_param_group = _bare(torch.optim.Muon.add_param_group)

    def __init__(self, parameters: list[nn.Parameter], **settings: Any) -> None:
        self.matrices = {each: nn.Parameter(_matrix(each.detach())) for each in parameters}
        super().__init__(self.matrices.values(), adjust_lr_fn="match_rms_adamw", **settings)

    def take_gradients(self) -> None:
        """Have the gradients of the parameters, in the same memory."""
        for parameter, matrix in self.matrices.items():
            matrix.grad = None if parameter.grad is None else _matrix(parameter.grad)

    @_plain
    def step(self, closure: None = None) -> None:
        """Update every parameter that has a gradient, in place, through its matrix."""
        self.take_gradients()
        if any(map(sharding.is_part, self.matrices)):
            for group in self.param_groups:
                self._step_in_parts(group)
        else:
            _bare(torch.optim.Muon.step)(self, closure)

    def _step_in_parts(self, group: dict[str, Any]) -> None:
        """The same for matrices of which each process has some rows.

        What is to be made orthogonal is whole for that moment, in every process, one matrix after
        the other: torch's own step would send rows to and fro for each of its products.
        """
        from torch.optim._muon import _adjust_lr, _zeropower_via_newtonschulz

        parts: list[Tensor] = []
        gradients: list[Tensor] = []
        buffers: list[Tensor] = []
        self._init_group(group, parts, gradients, buffers)
        rate, momentum = group["lr"], group["momentum"]
        settings = group["ns_coefficients"], group["ns_steps"], group["eps"]
        for part, gradient, buffer in zip(parts, gradients, buffers, strict=True):
            buffer.lerp_(gradient, 1 - momentum)
            whole = sharding.whole(gradient.lerp(buffer, momentum))
            step = sharding.part_like(part, _zeropower_via_newtonschulz(whole, *settings))
            part.mul_(1 - rate * group["weight_decay"])
            part.add_(step, alpha=-_adjust_lr(rate, group["adjust_lr_fn"], part.shape))


def _matrix(tensor: Tensor) -> Tensor:
    """A matrix of the same memory: a convolution's weights lie with their channels last."""
    if tensor.dim() == 2:
        return tensor
    if tensor.is_contiguous():
        return tensor.view(len(tensor), -1)
    return tensor.permute(0, *range(2, tensor.dim()), 1).reshape(len(tensor), -1)


def _unfolded(matrix: Tensor, parameter: Tensor) -> Tensor:
    """What a parameter's `_matrix` is made of: the same numbers in the parameter's shape."""
    if parameter.is_contiguous():
        return matrix.view(parameter.shape)
    rows, columns, *rest = parameter.shape
    return matrix.view(rows, *rest, columns).movedim(-1, 1)


class Optimizer:
    """One or two of torch's optimizers, stepped and kept together."""

    def __init__(self, module: nn.Module, config: TrainConfig, device: torch.device) -> None:
        named = {name: each for name, each in module.named_parameters() if each.requires_grad}
        self._named = named
        lr, decay = config.lr, config.weight_decay
        assert isinstance(lr, float)
        fused = device.type in ("cpu", "cuda")
        parameters = list(named.values())
        in_parts = any(map(sharding.is_part, parameters))
        self._parts: list[AdamW | SGD | Muon]
        if config.optimizer == "sgd":
            momentum = SGD_MOMENTUM if config.momentum is None else config.momentum
            sgd: dict[str, Any] = {"momentum": momentum, "nesterov": momentum > 0}
            # torch's fused SGD knows no weights in parts.
            sgd["fused"] = fused and not in_parts
            self._parts = [SGD(parameters, lr=lr, weight_decay=decay, **sgd)]
        elif config.optimizer == "muon":
            inner = _inner_matrices(module)
            matrices = [each for each in parameters if id(each) in inner]
            rest = [each for each in parameters if id(each) not in inner]
            self._parts = [AdamW(rest, lr=lr, weight_decay=decay, fused=fused)] if rest else []
            keeps = {} if config.momentum is None else {"momentum": config.momentum}
            self._parts += [Muon(matrices, lr=lr, weight_decay=decay, **keeps)] if matrices else []
        else:
            self._parts = [AdamW(parameters, lr=lr, weight_decay=decay, fused=fused)]

    @property
    def groups(self) -> Groups:
        return list(chain.from_iterable(part.param_groups for part in self._parts))

    def set_rate(self, rate: float) -> None:
        for group in self.groups:
            group["lr"] = rate

    def step(self) -> None:
        """Update every parameter that has a gradient."""
        for part in self._parts:
            part.step()

    def step_scaled(self, scaler: torch.amp.GradScaler) -> None:
        """The same with gradients that were scaled up; left out where they overflowed."""
        for part in self._parts:
            scaler.step(part)

    def unscale(self, scaler: torch.amp.GradScaler) -> None:
        for part in self._parts:
            if isinstance(part, Muon):
                part.take_gradients()
            scaler.unscale_(part)

    def tensors(self) -> dict[str, Tensor]:
        """The state of each parameter, under NAME.KEY, in the parameter's shape or a number."""
        return {
            f"{name}.{key}": value
            for name, state in self._states()
            for key, value in state.items()
            if isinstance(value, Tensor)
        }

    def settings(self) -> Groups:
        """The settings of each group, as JSON values."""
        return [{k: v for k, v in group.items() if k != "params"} for group in self.groups]

    def restore(self, tensors: Mapping[str, Tensor], settings: Groups) -> None:
        """Take up the state that `tensors` and `settings` told."""
        for group, saved in zip(self.groups, settings, strict=True):
            # JSON has no tuples, and torch takes no lists for them.
            group.update({k: tuple(v) if isinstance(v, list) else v for k, v in saved.items()})
        for part in self._parts:
            part.state.clear()
        for name, parameter in self._named.items():
            part, key = self._place(parameter)
            prefix = f"{name}."
            found = {n[len(prefix) :]: t for n, t in tensors.items() if n.startswith(prefix)}
            # A parameter's name may begin another's: "head" and "head.bias".
            found = {n: t for n, t in found.items() if "." not in n}
            if found:
                # Each tensor is laid out as its parameter, as if the optimizer had made it.
                part.state[key] = {n: _laid_out(t, parameter, key) for n, t in found.items()}

    def _states(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, parameter in self._named.items():
            part, key = self._place(parameter)
            state = part.state.get(key, {})
            if key is not parameter:
                state = {n: _unfolded(t, parameter) for n, t in state.items()}
            yield name, state

    def _place(self, parameter: nn.Parameter) -> tuple[AdamW | SGD | Muon, nn.Parameter]:
        """The optimizer that a parameter belongs to, and by what it knows it there."""
        last = self._parts[-1]
        if isinstance(last, Muon) and parameter in last.matrices:
            return last, last.matrices[parameter]
        return self._parts[0], parameter


def _laid_out(saved: Tensor, parameter: nn.Parameter, key: nn.Parameter) -> Tensor:
    """A saved state as the optimizer that knows `parameter` as `key` would have made it."""
    if not saved.dim():
        return torch.empty_like(saved, device=key.device).copy_(saved)
    if saved.shape != parameter.shape:
        return torch.empty_like(key).copy_(saved)  # of a Muon that kept matrices
    made = torch.empty_like(parameter).copy_(saved)
    return made if key is parameter else _matrix(made)


def _inner_matrices(module: nn.Module) -> set[int]:
    """Ids of the weights between the first and the last layer: no embedding, not the head."""
    weights: list[nn.Parameter] = []
    for part in module.modules():
        if not isinstance(part, nn.Embedding):
            own = part.parameters(recurse=False)
            weights += [each for each in own if each.dim() >= 2 and each.requires_grad]
    return {id(each) for each in weights[:-1]}

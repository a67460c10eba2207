"""What torch says of a device that failed, and of what is no failure of one."""

import pytest
import torch

from core.devices.failure import failure, of_the_program
from core.errors import LeptonError


class NVMLError_GpuIsLost(Exception):  # noqa: N801, N818 - the driver's name for it
    pass


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: unspecified launch failure\nmore"),
        RuntimeError("CUDA error: the launch timed out and was terminated"),
        RuntimeError("HIP error: invalid device function"),
        RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
        RuntimeError("Unable to determine the device handle: GPU has fallen off the bus"),
        RuntimeError("level_zero backend failed with error: 20 (UR_RESULT_ERROR_DEVICE_LOST)"),
        NVMLError_GpuIsLost("GPU is lost"),
    ],
)
def test_what_a_failed_device_says_is_its_first_line(error):
    assert failure(error) == str(error).splitlines()[0]
    behind = LeptonError("the weights are not of this model")
    behind.__cause__ = error
    assert failure(behind) == failure(error)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        torch.AcceleratorError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (4x2 and 3x1)"),
        ValueError("CUDA error"),
        LeptonError("training has diverged"),
    ],
)
def test_other_errors_are_no_failure_of_a_device(error):
    assert failure(error) is None


def test_a_check_of_a_kernel_is_the_programs():
    assert of_the_program("CUDA error: device-side assert triggered")
    assert not of_the_program("CUDA error: unspecified launch failure")

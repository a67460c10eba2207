"""The machine's devices: what they are, how busy, and who is on them."""

# CUDA counts the quickest card first unless told otherwise; NVML and nvidia-smi count by slot.
AS_LISTED = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
WITH_TORCH = {
    **AS_LISTED,
    # Threads that spin while they wait slow every other process down (25 times, measured).
    "OMP_WAIT_POLICY": "PASSIVE",
    # Large tensors in pages of 2 MB: what reads all weights for each piece of a text, and what
    # takes new memory in each step, is a tenth quicker.
    "THP_MEM_ALLOC_ENABLE": "1",
}
"""What our processes that load torch are started with, unless a person has set it otherwise."""

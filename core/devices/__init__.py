"""The machine's devices: what they are, how busy, and who is on them."""

# CUDA counts the quickest card first unless told otherwise; NVML and nvidia-smi count by slot.
AS_LISTED = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}

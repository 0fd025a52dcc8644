"""Operators of ``torch.ops.aten`` that a menu model may use: arithmetic over tensors, as image classifiers need it.

Others read and write files (``from_file``, ``save``), show memory that was not written (``empty``), or trust sizes and
offsets that they are given (``as_strided``, ``set_``).
"""

from __future__ import annotations

from typing import Final

__all__ = ["OPERATORS"]

_NAMES: Final = """
_adaptive_avg_pool2d _adaptive_avg_pool3d _assert_scalar _assert_tensor_metadata _cdist_forward _fft_c2r _fft_r2c
_local_scalar_dense _log_softmax _native_batch_norm_legit _native_batch_norm_legit_no_training _softmax _to_copy
_upsample_bicubic2d_aa _upsample_bilinear2d_aa _upsample_nearest_exact2d
abs acos acosh adaptive_avg_pool1d adaptive_avg_pool2d adaptive_max_pool2d add add_ addcdiv addcmul addmm alias amax
amin any arange argmax argmin argsort asin asinh atan atan2 atanh avg_pool1d avg_pool2d avg_pool3d
baddbmm batch_norm bitwise_and bitwise_not bitwise_or bitwise_xor bmm broadcast_to
cat ceil celu channel_shuffle chunk clamp clamp_ clamp_max clamp_min clone concat concatenate constant_pad_nd
contiguous conv1d conv2d conv3d conv_transpose1d conv_transpose2d convolution copy copy_ cos cosh cosine_similarity
cumsum detach detach_ diagonal div div_ dropout dropout_
einsum elu elu_ embedding eq erf exp expand expand_as expm1 feature_dropout flatten flip floor floor_divide fmod
frobenius_norm full full_like gather ge gelu glu grid_sampler_2d group_norm gt
hardsigmoid hardsigmoid_ hardswish hardswish_ hardtanh hardtanh_ index index_put index_select instance_norm isinf
isnan layer_norm le leaky_relu leaky_relu_ lift_fresh_copy linalg_vector_norm linear log log10 log1p log2 log_sigmoid
log_softmax logical_and logical_not logical_or logical_xor logit logsumexp lt
masked_fill matmul max max_pool1d max_pool2d max_pool2d_with_indices max_pool3d_with_indices maximum mean median min
minimum mish mish_ mm movedim mul mul_ nan_to_num narrow native_dropout native_group_norm native_layer_norm ne neg
new_full new_ones new_zeros nonzero norm one_hot ones ones_like
pad permute pixel_shuffle pixel_unshuffle pow prelu prod reciprocal reflection_pad1d reflection_pad2d
reflection_pad3d relu relu6 relu6_ relu_ remainder repeat repeat_interleave replication_pad2d replication_pad3d
reshape reshape_as rms_norm roll round rsqrt rsub
scalar_tensor scaled_dot_product_attention scatter scatter_add scatter_reduce select select_scatter selu selu_
sigmoid sigmoid_ sign silu silu_ sin sinh slice slice_scatter softmax softplus sort split split_with_sizes sqrt
square squeeze stack std std_mean sub sub_ sum swapaxes sym_constrain_range sym_constrain_range_for_size sym_numel
sym_size sym_stride
t tan tanh tanh_ tensor_split tile to topk transpose trunc type_as unbind unflatten unfold unsqueeze
upsample_bicubic2d upsample_bilinear2d upsample_nearest2d var var_mean view view_as where zeros zeros_like
"""
OPERATORS: Final = frozenset(_NAMES.split())

"""Keep the memory of the process small: settings of glibc's malloc(3), by mallopt(3).

They do what MALLOC_ARENA_MAX and MALLOC_MMAP_THRESHOLD_ do in the environment, however the process
was started.
"""

import ctypes

# glibc gives each thread a heap ("arena") of its own, up to eight for each processor. What a large
# form has taken there is not returned, so that 32 threads come to keep hundreds of megabytes.
MAX_ARENAS = 2
# Larger blocks, such as a form and the page that gives it back, are returned at once. Without this,
# glibc raises the limit to the largest block that was freed.
LARGE_BLOCK_BYTES = 64 * 1024
# Numbers of malloc.h.
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8


def limit() -> None:
    """Let all threads share `MAX_ARENAS` heaps, and return large blocks at once.

    Call it before there are threads. Other C libraries than glibc have nothing to set.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_ARENA_MAX, MAX_ARENAS)
        mallopt(_M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)

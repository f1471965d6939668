/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Gives libclamav memory out of large pages while it loads signatures.
 *
 * Matching jumps about in hundreds of megabytes, so that with pages of 4 KiB hardly any address is in
 * the processor's table of pages. libclamav maps that memory in pieces of 256 KiB, each of which is too
 * small for a large page. So pieces are cut from blocks here that are large and aligned. This program's
 * mmap() stands before libc's for the libraries that it loads; libc's malloc() does not use it.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A large page of x86-64, and of arm64 with pages of 4 KiB. */
#define LARGE ((size_t)2 << 20)
/* Mapped at once: address space only, until it is written. */
#define BLOCK ((size_t)64 << 20)
/* Larger mappings hold large pages without help. */
#define MAX_PIECE ((size_t)8 << 20)

void *own_mmap(void *wanted, size_t size, int rights, int flags, int file, off_t offset) __asm__("mmap");
void *own_mmap64(void *wanted, size_t size, int rights, int flags, int file, off_t offset) __asm__("mmap64");
void icapstan_large_pages(int wanted);

/* The process has one thread while it loads. */
static struct {
    int wanted;
    char *next;
    char *end;
} block;

static void *map(void *wanted, size_t size, int rights, int flags, int file, off_t offset)
{
    return (void *)syscall(SYS_mmap, wanted, size, rights, flags, file, offset);
}

/* Gives back what of the block was not handed out. */
static void drop_rest(void)
{
    if (block.next != block.end)
        munmap(block.next, (size_t)(block.end - block.next));
    block.next = block.end = NULL;
}

static int next_block(void)
{
    char *start = map(NULL, BLOCK + LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t before;

    if (start == MAP_FAILED)
        return 0;
    drop_rest();
    before = -(uintptr_t)start & (LARGE - 1);
    if (before)
        munmap(start, before);
    munmap(start + before + BLOCK, LARGE - before);
    block.next = start + before;
    block.end = block.next + BLOCK;
    /* Where large pages are turned off, they stay small. */
    madvise(block.next, BLOCK, MADV_HUGEPAGE);
    return 1;
}

void *own_mmap(void *wanted, size_t size, int rights, int flags, int file, off_t offset)
{
    const size_t page = 4096;
    char *piece;

    if (!block.wanted || wanted || file != -1 || rights != (PROT_READ | PROT_WRITE)
        || flags != (MAP_PRIVATE | MAP_ANONYMOUS) || size == 0 || size > MAX_PIECE || size % page)
        return map(wanted, size, rights, flags, file, offset);
    if ((size_t)(block.end - block.next) < size && !next_block())
        return map(wanted, size, rights, flags, file, offset);
    piece = block.next;
    block.next += size;
    return piece;
}

void *own_mmap64(void *wanted, size_t size, int rights, int flags, int file, off_t offset)
{
    return own_mmap(wanted, size, rights, flags, file, offset);
}

/* Begins and ends the time in which mappings come from blocks. */
void icapstan_large_pages(int wanted)
{
    block.wanted = wanted;
    if (!wanted)
        drop_rest();
}

/* Which x86-64 level (the psABI's v1 to v4) the CPU and the operating system support; 1 on any other architecture.

   Asked by hand rather than by __builtin_cpu_supports, which knows "x86-64-v3" only in new compilers and which
   Microsoft's has not. The feature lists are those of the x86-64 psABI, section 3.1.1. */
#ifndef MEDFAST_CPU_LEVEL_H
#define MEDFAST_CPU_LEVEL_H

#if defined(__x86_64__) || defined(_M_X64)

#ifdef _MSC_VER
#include <intrin.h>
static void medfast_cpuid(unsigned leaf, unsigned *regs) { __cpuidex((int *)regs, (int)leaf, 0); }
static unsigned long long medfast_xgetbv(void) { return _xgetbv(0); }
#else
#include <cpuid.h>
static void medfast_cpuid(unsigned leaf, unsigned *regs)
{
    __cpuid_count(leaf, 0, regs[0], regs[1], regs[2], regs[3]);
}
static unsigned long long medfast_xgetbv(void)
{
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return ((unsigned long long)high << 32) | low;
}
#endif

static int medfast_has_all(unsigned value, unsigned mask) { return (value & mask) == mask; }

static int medfast_cpu_level(void)
{
    enum { EAX, EBX, ECX, EDX };
    const unsigned sse3 = 1u << 0, ssse3 = 1u << 9, fma = 1u << 12, cx16 = 1u << 13, sse41 = 1u << 19, sse42 = 1u << 20,
                   movbe = 1u << 22, popcnt = 1u << 23, osxsave = 1u << 27, avx = 1u << 28, f16c = 1u << 29;
    const unsigned bmi1 = 1u << 3, avx2 = 1u << 5, bmi2 = 1u << 8, avx512f = 1u << 16, avx512dq = 1u << 17,
                   avx512cd = 1u << 28, avx512bw = 1u << 30, avx512vl = 1u << 31;
    const unsigned lahf = 1u << 0, lzcnt = 1u << 5;
    unsigned basic[4], leaf1[4], leaf7[4] = {0, 0, 0, 0}, extended[4], leaf_ext1[4] = {0, 0, 0, 0};
    unsigned long long saved;

    medfast_cpuid(0, basic);
    medfast_cpuid(1, leaf1);
    if (basic[EAX] >= 7)
        medfast_cpuid(7, leaf7);
    medfast_cpuid(0x80000000u, extended);
    if (extended[EAX] >= 0x80000001u)
        medfast_cpuid(0x80000001u, leaf_ext1);

    if (!medfast_has_all(leaf1[ECX], sse3 | ssse3 | cx16 | sse41 | sse42 | popcnt) ||
        !medfast_has_all(leaf_ext1[ECX], lahf))
        return 1;
    if (!medfast_has_all(leaf1[ECX], fma | movbe | osxsave | avx | f16c) ||
        !medfast_has_all(leaf7[EBX], bmi1 | avx2 | bmi2) || !medfast_has_all(leaf_ext1[ECX], lzcnt))
        return 2;
    saved = medfast_xgetbv(); /* the registers that the operating system saves: 0x6 XMM and YMM, 0xe0 the AVX-512 ones */
    if ((saved & 0x6) != 0x6)
        return 2;
    if (!medfast_has_all(leaf7[EBX], avx512f | avx512dq | avx512cd | avx512bw | avx512vl) || (saved & 0xe6) != 0xe6)
        return 3;
    return 4;
}

#else

static int medfast_cpu_level(void) { return 1; }

#endif
#endif

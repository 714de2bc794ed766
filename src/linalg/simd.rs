//! Eight numbers at a time, with the instructions of the CPU that runs: AVX2 with FMA, AVX-512, or plain code.
//!
//! A [`Loop`] is written once, for any [`Simd`]; [`Instructions::run`] compiles it for each instruction set and chooses
//! at run time. Within one instruction set a result is the same bit for bit; plain code rounds a product before it adds,
//! the others do not, so results of different CPUs agree up to round-off.

/// Numbers in a vector.
pub const LANES: usize = 8;
/// One vector in memory.
pub type Lanes = [f64; LANES];

/// An instruction set that loops are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instructions {
    /// What every CPU has.
    Plain,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512 F.
    Avx512,
}

impl Instructions {
    /// All that this CPU can run, the fastest last.
    pub fn available() -> Vec<Instructions> {
        use Instructions::{Avx2, Avx512, Plain};
        [Plain, Avx2, Avx512].into_iter().filter(|i| i.is_available()).collect()
    }

    /// The fastest that this CPU can run.
    pub fn best() -> Instructions {
        use Instructions::{Avx2, Avx512, Plain};
        [Avx512, Avx2].into_iter().find(|i| i.is_available()).unwrap_or(Plain)
    }

    /// Whether this CPU can run it. The standard library asks the CPU once and remembers.
    #[cfg(target_arch = "x86_64")]
    pub fn is_available(self) -> bool {
        match self {
            Instructions::Plain => true,
            Instructions::Avx2 => x86::Avx2::detect().is_some(),
            Instructions::Avx512 => x86::Avx512::detect().is_some(),
        }
    }

    /// Whether this CPU can run it.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn is_available(self) -> bool {
        self == Instructions::Plain
    }

    /// Runs a loop with these instructions, or as plain code where the CPU lacks them.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn run(self, of: impl Loop) {
        match self {
            Instructions::Avx512 => match x86::Avx512::detect() {
                // SAFETY: detected in the line above.
                Some(simd) => unsafe { x86::with_avx512(simd, of) },
                None => of.run(Plain),
            },
            Instructions::Avx2 => match x86::Avx2::detect() {
                // SAFETY: detected in the line above.
                Some(simd) => unsafe { x86::with_avx2(simd, of) },
                None => of.run(Plain),
            },
            Instructions::Plain => of.run(Plain),
        }
    }

    /// Runs a loop as plain code.
    #[cfg(not(target_arch = "x86_64"))]
    pub(super) fn run(self, of: impl Loop) {
        of.run(Plain)
    }
}

/// Work that is compiled once per instruction set. What handles vectors in `run` must be `#[inline(always)]` too, and no
/// closure: it would be compiled without the instructions, and be slow.
pub(super) trait Loop {
    fn run<S: Simd>(self, simd: S);
}

/// Arithmetic on eight numbers. A value of the type exists only where the CPU has the instructions.
pub(super) trait Simd: Copy {
    type V: Copy;
    fn splat(self, x: f64) -> Self::V;
    fn load(self, from: &Lanes) -> Self::V;
    fn store(self, v: Self::V, to: &mut Lanes);
    /// Stores past the caches where `to` is aligned to 64 bytes; [`Simd::fence`] before anyone else reads it.
    fn stream(self, v: Self::V, to: &mut Lanes);
    fn fence(self);
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// a b + c.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// sqrt(max(0, a)); NaN stays NaN.
    fn root(self, a: Self::V) -> Self::V;
}

#[derive(Clone, Copy)]
pub(super) struct Plain;

impl Simd for Plain {
    type V = Lanes;
    #[inline(always)]
    fn splat(self, x: f64) -> Lanes {
        [x; LANES]
    }
    #[inline(always)]
    fn load(self, from: &Lanes) -> Lanes {
        *from
    }
    #[inline(always)]
    fn store(self, v: Lanes, to: &mut Lanes) {
        *to = v;
    }
    #[inline(always)]
    fn stream(self, v: Lanes, to: &mut Lanes) {
        *to = v;
    }
    #[inline(always)]
    fn fence(self) {}
    #[inline(always)]
    fn mul(self, a: Lanes, b: Lanes) -> Lanes {
        std::array::from_fn(|l| a[l] * b[l])
    }
    #[inline(always)]
    fn mul_add(self, a: Lanes, b: Lanes, c: Lanes) -> Lanes {
        std::array::from_fn(|l| a[l] * b[l] + c[l])
    }
    #[inline(always)]
    fn root(self, a: Lanes) -> Lanes {
        a.map(|x| if x < 0.0 { 0.0 } else { x.sqrt() })
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Lanes, Loop, Simd};
    use std::arch::x86_64::*;

    #[derive(Clone, Copy)]
    pub struct Avx2(());

    #[derive(Clone, Copy)]
    pub struct Avx512(());

    impl Avx2 {
        pub fn detect() -> Option<Avx2> {
            (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Avx2(()))
        }
    }

    impl Avx512 {
        pub fn detect() -> Option<Avx512> {
            let there = is_x86_feature_detected!("avx512f") && Avx2::detect().is_some();
            there.then_some(Avx512(()))
        }
    }

    #[target_feature(enable = "avx2,fma")]
    pub fn with_avx2(simd: Avx2, of: impl Loop) {
        of.run(simd)
    }

    #[target_feature(enable = "avx512f,avx2,fma")]
    pub fn with_avx512(simd: Avx512, of: impl Loop) {
        of.run(simd)
    }

    /// Each half of a vector is one register.
    impl Simd for Avx2 {
        type V = [__m256d; 2];
        #[inline(always)]
        fn splat(self, x: f64) -> Self::V {
            // SAFETY: `self` exists, so the CPU has AVX2.
            unsafe { [_mm256_set1_pd(x); 2] }
        }
        #[inline(always)]
        fn load(self, from: &Lanes) -> Self::V {
            // SAFETY: AVX2 as above; eight numbers are there to be read, of any alignment.
            unsafe { [_mm256_loadu_pd(from.as_ptr()), _mm256_loadu_pd(from.as_ptr().add(4))] }
        }
        #[inline(always)]
        fn store(self, v: Self::V, to: &mut Lanes) {
            // SAFETY: AVX2 as above; eight numbers are there to be written, of any alignment.
            unsafe {
                _mm256_storeu_pd(to.as_mut_ptr(), v[0]);
                _mm256_storeu_pd(to.as_mut_ptr().add(4), v[1]);
            }
        }
        #[inline(always)]
        fn stream(self, v: Self::V, to: &mut Lanes) {
            if !(to.as_ptr() as usize).is_multiple_of(64) {
                return self.store(v, to);
            }
            // SAFETY: AVX2 as above; eight numbers are there to be written, aligned as just checked.
            unsafe {
                _mm256_stream_pd(to.as_mut_ptr(), v[0]);
                _mm256_stream_pd(to.as_mut_ptr().add(4), v[1]);
            }
        }
        #[inline(always)]
        fn fence(self) {
            // SAFETY: every x86-64 CPU has SSE.
            unsafe { _mm_sfence() }
        }
        #[inline(always)]
        fn mul(self, a: Self::V, b: Self::V) -> Self::V {
            // SAFETY: `self` exists, so the CPU has AVX2.
            unsafe { [_mm256_mul_pd(a[0], b[0]), _mm256_mul_pd(a[1], b[1])] }
        }
        #[inline(always)]
        fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
            // SAFETY: `self` exists, so the CPU has FMA.
            unsafe { [_mm256_fmadd_pd(a[0], b[0], c[0]), _mm256_fmadd_pd(a[1], b[1], c[1])] }
        }
        #[inline(always)]
        fn root(self, a: Self::V) -> Self::V {
            // SAFETY: `self` exists, so the CPU has AVX2. Of 0 and NaN, `max` gives the second.
            unsafe { a.map(|a| _mm256_sqrt_pd(_mm256_max_pd(_mm256_setzero_pd(), a))) }
        }
    }

    /// A vector is one register.
    impl Simd for Avx512 {
        type V = __m512d;
        #[inline(always)]
        fn splat(self, x: f64) -> Self::V {
            // SAFETY: `self` exists, so the CPU has AVX-512.
            unsafe { _mm512_set1_pd(x) }
        }
        #[inline(always)]
        fn load(self, from: &Lanes) -> Self::V {
            // SAFETY: AVX-512 as above; eight numbers are there to be read, of any alignment.
            unsafe { _mm512_loadu_pd(from.as_ptr()) }
        }
        #[inline(always)]
        fn store(self, v: Self::V, to: &mut Lanes) {
            // SAFETY: AVX-512 as above; eight numbers are there to be written, of any alignment.
            unsafe { _mm512_storeu_pd(to.as_mut_ptr(), v) }
        }
        #[inline(always)]
        fn stream(self, v: Self::V, to: &mut Lanes) {
            if !(to.as_ptr() as usize).is_multiple_of(64) {
                return self.store(v, to);
            }
            // SAFETY: AVX-512 as above; eight numbers are there to be written, aligned as just checked.
            unsafe { _mm512_stream_pd(to.as_mut_ptr(), v) }
        }
        #[inline(always)]
        fn fence(self) {
            // SAFETY: every x86-64 CPU has SSE.
            unsafe { _mm_sfence() }
        }
        #[inline(always)]
        fn mul(self, a: Self::V, b: Self::V) -> Self::V {
            // SAFETY: `self` exists, so the CPU has AVX-512.
            unsafe { _mm512_mul_pd(a, b) }
        }
        #[inline(always)]
        fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
            // SAFETY: `self` exists, so the CPU has AVX-512.
            unsafe { _mm512_fmadd_pd(a, b, c) }
        }
        #[inline(always)]
        fn root(self, a: Self::V) -> Self::V {
            // SAFETY: `self` exists, so the CPU has AVX-512. Of 0 and NaN, `max` gives the second.
            unsafe { _mm512_sqrt_pd(_mm512_max_pd(_mm512_setzero_pd(), a)) }
        }
    }
}

//! Fields larger than memory: every layout, type and filter against HDF5's own reading, to the bit.

use faer::Mat;
use kolmo::comm::run_on_threads;
use kolmo::data::FieldInfo;
use kolmo::error::{Error, Result};
use kolmo::io::SnapshotSource;
use kolmo::io::field_slabs::FieldSlabs;
use kolmo::io::stacked::StackedFile;
use kolmo::linalg::slabs::Slabs;
use kolmo::linalg::tall::{BLOCK_ROWS, Layout};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

const N_SAMPLES: usize = 7;
/// Three blocks and a part of one.
const N: usize = 3 * BLOCK_ROWS + 1234;

/// How a data set lies in its file.
#[derive(Debug, Clone, Copy)]
struct Form {
    chunk: Option<&'static [usize]>,
    single: bool,
    shuffle: bool,
    gzip: bool,
    fletcher: bool,
    n_components: usize,
}

const PLAIN: Form =
    Form { chunk: Some(&[1, N]), single: false, shuffle: false, gzip: true, fletcher: false, n_components: 1 };

/// Digits that gzip packs somewhat.
fn value(sample: usize, dof: usize) -> f64 {
    let smooth = (0.001 * dof as f64 + 0.3 * sample as f64).sin();
    let noise = ((sample * 7919 + dof) as u32).wrapping_mul(2_654_435_761) >> 20;
    ((smooth + f64::from(noise) * 1e-6) * 1e7).round() / 1e7
}

fn written(folder: &Path, form: Form) -> PathBuf {
    let path = folder.join("train.h5");
    // A user block moves all addresses; newer files have other indices of chunks, and others again where rows are added.
    let mut options = hdf5::File::with_options();
    if form.fletcher {
        options.with_fapl(|p| p.libver_latest());
    }
    let file = options.with_fcpl(|p| p.userblock(512)).create(&path).unwrap();
    let most = (!form.shuffle).then_some(N_SAMPLES);
    let builder =
        if form.single { file.new_dataset_builder().empty::<f32>() } else { file.new_dataset_builder().empty::<f64>() };
    let k = form.n_components;
    let mut axes = vec![hdf5::Extent::new(N_SAMPLES, most), hdf5::Extent::fixed(N / k)];
    axes.extend((k > 1).then_some(hdf5::Extent::fixed(k)));
    let mut builder = builder.shape(hdf5::SimpleExtents::new(axes));
    if let Some(chunk) = form.chunk {
        builder = builder.chunk(chunk.to_vec());
    }
    builder = if form.shuffle { builder.shuffle() } else { builder };
    builder = if form.gzip { builder.deflate(1) } else { builder };
    builder = if form.fletcher { builder.fletcher32() } else { builder };
    let data = builder.create("snapshots/u").unwrap();
    let values: Vec<f64> = (0..N_SAMPLES).flat_map(|s| (0..N / k * k).map(move |d| value(s, d))).collect();
    if form.single {
        data.write_raw(&values.iter().map(|v| *v as f32).collect::<Vec<f32>>()).unwrap();
    } else {
        data.write_raw(&values).unwrap();
    }
    drop(data);
    file.close().unwrap();
    path
}

/// As HDF5 reads it: [n_dofs, n_samples].
fn reference(path: &Path) -> Mat<f64> {
    let data = hdf5::File::open(path).unwrap().dataset("snapshots/u").unwrap();
    let values = data.read_raw::<f64>().unwrap();
    let n = values.len() / N_SAMPLES;
    Mat::from_fn(n, N_SAMPLES, |i, s| values[s * n + i])
}

fn opened(path: &Path) -> (Arc<StackedFile>, FieldInfo) {
    let file = Arc::new(StackedFile::open(path).unwrap());
    let field = file.fields()[0].clone();
    (file, field)
}

/// One pass, put together; slabs follow each other and begin at blocks.
fn collect(slabs: &FieldSlabs) -> Result<Mat<f64>> {
    let own = slabs.layout().local_range();
    let mut all = Mat::zeros(own.len(), slabs.n_columns());
    let mut next = 0;
    slabs.pass(&mut |rows, slab| {
        let begins = rows.start == 0 || (own.start + rows.start).is_multiple_of(slabs.layout().block_rows());
        assert!(rows.start == next && begins && !rows.is_empty());
        assert_eq!((slab.nrows(), slab.ncols()), (rows.len(), slabs.n_columns()));
        all.as_mut().subrows_mut(rows.start, rows.len()).copy_from(slab);
        next = rows.end;
        Ok(())
    })?;
    assert_eq!(next, own.len());
    Ok(all)
}

/// Two passes with several memories give what HDF5 reads; the ways that were taken.
fn same_as_hdf5(form: Form, samples: &[usize]) -> BTreeSet<&'static str> {
    let folder = TempDir::new().unwrap();
    let path = written(folder.path(), form);
    let all = reference(&path);
    let wanted = Mat::from_fn(all.nrows(), samples.len(), |i, j| all[(i, samples[j])]);
    let (file, field) = opened(&path);
    for dofs in [0..all.nrows(), 5..6, 4095..12_300, 20_001..all.nrows()] {
        let read = file.read(&field, samples, dofs.clone()).unwrap();
        assert!(read == wanted.as_ref().subrows(dofs.start, dofs.len()), "{form:?}, {dofs:?}");
    }
    let mut ways = BTreeSet::new();
    let layout = Layout::even(field.n_entities, field.n_components, Arc::new(kolmo::comm::SingleComm));
    let mut memory = 1 << 26;
    let mut smallest = None;
    while let Ok(slabs) =
        FieldSlabs::new(file.clone(), field.clone(), samples.to_vec(), layout.clone(), memory, folder.path())
    {
        assert!(slabs.bytes() <= memory, "{form:?}: {} bytes of {memory}", slabs.bytes());
        let plan = (slabs.way(), slabs.rows_per_slab());
        if smallest != Some(plan) {
            for _ in 0..2 {
                assert!(collect(&slabs).unwrap() == wanted, "{form:?}, {memory} bytes, {plan:?}");
            }
            smallest = Some(plan);
        }
        ways.insert(slabs.way());
        memory = memory * 9 / 10;
    }
    assert_eq!(smallest.unwrap().1, layout.block_rows(), "{form:?}: one block is the least");
    ways
}

#[test]
fn every_layout_type_and_filter() {
    let chunks: [Option<&'static [usize]>; 4] = [None, Some(&[1, N]), Some(&[3, 4096]), Some(&[2, 3001])];
    let mut ways = BTreeSet::new();
    for (i, chunk) in chunks.into_iter().enumerate() {
        for filters in 0..if chunk.is_some() { 8 } else { 1 } {
            let (shuffle, gzip, fletcher) = (filters & 1 > 0, filters & 2 > 0, filters & 4 > 0);
            let single = (i + filters) % 2 == 0;
            let samples: &[usize] = if filters % 3 == 0 { &[5, 0, 6, 2, 3] } else { &[0, 1, 2, 3, 4, 5, 6] };
            let form = Form { chunk, single, shuffle, gzip, fletcher, n_components: 1 };
            ways.extend(same_as_hdf5(form, samples));
        }
    }
    assert_eq!(ways.len(), 3, "{ways:?}");
}

#[test]
fn fields_of_vectors_and_chunks_of_components() {
    for chunk in [&[1, N / 3, 3], &[4, 2000, 3], &[2, 1500, 2], &[7, 4000, 1]] as [&'static [usize]; 4] {
        let form = Form { chunk: Some(chunk), shuffle: true, n_components: 3, ..PLAIN };
        same_as_hdf5(form, &[6, 1, 3, 2]);
    }
}

/// Chunks that were never written hold the fill value; other numbers and filters are left to HDF5.
#[test]
fn missing_chunks_and_what_only_hdf5_reads() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("train.h5");
    let file = hdf5::File::create(&path).unwrap();
    let snapshots = file.create_group("snapshots").unwrap();
    let some: Vec<f64> = (0..2 * N).map(|i| value(i / N, i % N)).collect();
    let part = ndarray::ArrayView2::from_shape((2, N), &some).unwrap();
    let filled = snapshots.new_dataset::<f64>().shape([N_SAMPLES, N]).chunk([2, 5000]).deflate(1).fill_value(2.5);
    filled.create("u").unwrap().write_slice(part, (2..4, ..)).unwrap();
    let packed = snapshots.new_dataset::<i32>().shape([N_SAMPLES, N]).chunk([1, N]).nbit();
    packed.create("v").unwrap().write_slice(part.mapv(|v| (v * 1e5) as i32).view(), (2..4, ..)).unwrap();
    drop(snapshots);
    file.close().unwrap();
    let source = Arc::new(StackedFile::open(&path).unwrap());
    let all: Vec<usize> = (0..N_SAMPLES).collect();
    for (i, fill) in [2.5, 0.0].into_iter().enumerate() {
        let field = source.fields()[i].clone();
        assert_eq!(source.chunks(&field).is_some(), i == 0);
        let layout = Layout::serial(N);
        let slabs = FieldSlabs::new(source.clone(), field, all.clone(), layout, 1_600_000, folder.path()).unwrap();
        let read = collect(&slabs).unwrap();
        let whole = |v: f64| if i == 0 { v } else { f64::from((v * 1e5) as i32) };
        let wanted = Mat::from_fn(N, N_SAMPLES, |d, s| if (2..4).contains(&s) { whole(value(s - 2, d)) } else { fill });
        assert!(read == wanted, "field {i}, {}", slabs.way());
    }
}

/// Three ranks: their own rows, and copies of rows of the others, near and far.
#[test]
fn ranks_and_ghosts() {
    for chunk in [&[1, N], &[3, 3001]] as [&'static [usize]; 2] {
        let folder = TempDir::new().unwrap();
        let path = written(folder.path(), Form { chunk: Some(chunk), ..PLAIN });
        let all = reference(&path);
        let (file, field) = opened(&path);
        run_on_threads(3, |comm| {
            let even = Layout::even(N, 1, comm.clone());
            let own = even.local_range();
            let far = [0, 1, 3000, 3001, 8191, 8192, 8500, 16_383, 16_384, 20_000, N - 1];
            let ghosts: Vec<usize> = far.into_iter().filter(|g| !own.contains(g)).collect();
            let layout = even.with_ghosts(ghosts.clone()).unwrap();
            let cut = Layout::from_offsets(vec![0, 100, 150, N], comm.clone()).unwrap();
            let samples = vec![4, 1, 0, 6, 2];
            let slabs = FieldSlabs::new(file.clone(), field.clone(), samples.clone(), cut, 1_300_000, folder.path());
            let slabs = slabs.unwrap();
            let cut_rows = slabs.layout().local_range();
            let of_cut = Mat::from_fn(cut_rows.len(), 5, |i, j| all[(cut_rows.start + i, samples[j])]);
            assert!(cut_rows.len() < 1000 || slabs.way() != "kept in memory", "{}", slabs.bytes());
            assert!(collect(&slabs).unwrap() == of_cut);
            for memory in [2_000_000, 1 << 26] {
                let slabs = FieldSlabs::new(
                    file.clone(),
                    field.clone(),
                    samples.clone(),
                    layout.clone(),
                    memory,
                    folder.path(),
                )
                .unwrap();
                let wanted = |i: usize, j: usize| all[(i, samples[j])];
                assert!(collect(&slabs).unwrap() == Mat::from_fn(own.len(), 5, |i, j| wanted(own.start + i, j)));
                assert!(slabs.ghosts().unwrap() == Mat::from_fn(ghosts.len(), 5, |i, j| wanted(ghosts[i], j)));
            }
        });
    }
}

fn refused(result: Result<impl Sized>, code: &str, parts: &[&str]) {
    let error = result.err().expect("has to be refused");
    let text = error.to_string();
    assert!(error.code() == code && parts.iter().all(|p| text.contains(p)), "{}: {text}", error.code());
}

/// Slabs of a file with little memory.
fn slabs_of(path: &Path, memory: usize) -> Result<FieldSlabs> {
    let (file, field) = opened(path);
    let layout = Layout::serial(field.n_dofs());
    FieldSlabs::new(file, field, (0..N_SAMPLES).collect(), layout, memory, path.parent().unwrap())
}

#[test]
fn damaged_files_are_refused() {
    for form in [PLAIN, Form { chunk: Some(&[2, 3001]), shuffle: true, ..PLAIN }] {
        let folder = TempDir::new().unwrap();
        let path = written(folder.path(), form);
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 500].fill(0x5a);
        fs::write(&path, &bytes).unwrap();
        let place = ["train.h5", "/snapshots/u, samples ", "entries "];
        refused(slabs_of(&path, 1 << 21).and_then(|s| collect(&s)), "K003", &place);
        refused(slabs_of(&path, 1 << 26).and_then(|s| collect(&s)), "K003", &place);
        // A file that shrinks while it is read.
        fs::write(&path, &whole).unwrap();
        let slabs = slabs_of(&path, 1 << 21).unwrap();
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(middle as u64).unwrap();
        refused(collect(&slabs), "K003", &["train.h5", "/snapshots/u"]);
    }
    let folder = TempDir::new().unwrap();
    let path = written(folder.path(), Form { chunk: None, gzip: false, ..PLAIN });
    let slabs = slabs_of(&path, 1 << 21).unwrap();
    let length = fs::metadata(&path).unwrap().len();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length / 2).unwrap();
    refused(collect(&slabs), "K003", &["train.h5", "/snapshots/u, samples "]);
}

#[test]
fn names_what_is_not_finite() {
    for chunk in [None, Some(&[1, N]), Some(&[2, 3001])] as [Option<&'static [usize]>; 3] {
        let folder = TempDir::new().unwrap();
        let path = written(folder.path(), Form { chunk, gzip: chunk.is_some(), ..PLAIN });
        let file = hdf5::File::open_rw(&path).unwrap();
        let data = file.dataset("snapshots/u").unwrap();
        data.write_slice(&[f64::NAN], (4, 20_000..20_001)).unwrap();
        drop(data);
        file.close().unwrap();
        let slabs = slabs_of(&path, 1 << 21).unwrap();
        refused(collect(&slabs), "K004", &["train.h5", "/snapshots/u, sample 4, entry 20000", "NaN"]);
    }
}

#[test]
fn too_little_memory_and_errors_on_the_way() {
    let folder = TempDir::new().unwrap();
    let path = written(folder.path(), PLAIN);
    let text = slabs_of(&path, 1000).unwrap_err().to_string();
    refused(slabs_of(&path, 1000), "K009", &["[reduction] memory", "at least ", "mend: raise memory to \""]);
    let least: usize = text.split("raise memory to \"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
    assert!(text.contains(&format!("at least {least} bytes")), "{text}");
    assert_eq!(slabs_of(&path, least).unwrap().rows_per_slab(), BLOCK_ROWS);
    refused(slabs_of(&path, least - 1), "K009", &[&format!("at least {least} bytes")]);
    // The caller's error ends the pass; the next one begins anew.
    let slabs = slabs_of(&path, 1 << 21).unwrap();
    let stop = || Error::argument("slab", "one", "none");
    refused(slabs.pass(&mut |_, _| Err(stop())), stop().code(), &["slab"]);
    assert!(collect(&slabs).unwrap() == reference(&path));
}

/// What is named as the least memory is, for every form; and the work goes through with it.
#[test]
fn the_least_memory_is_enough_and_no_more_than_that() {
    for form in [
        PLAIN,
        Form { chunk: None, gzip: false, ..PLAIN },
        Form { chunk: Some(&[1, N]), ..PLAIN },
        Form { chunk: Some(&[2, 3001]), shuffle: true, ..PLAIN },
        Form { chunk: Some(&[N_SAMPLES, 1]), gzip: false, ..PLAIN },
    ] {
        let folder = TempDir::new().unwrap();
        let path = written(folder.path(), form);
        let (file, field) = opened(&path);
        let layout = Layout::serial(field.n_dofs());
        let least = FieldSlabs::least_memory(file.as_ref(), &field, N_SAMPLES, &layout);
        let check = |memory: usize| FieldSlabs::check(file.as_ref(), &field, N_SAMPLES, &layout, memory);
        assert!(check(least).is_ok() && check(least - 1).unwrap_err().code() == "K009", "{form:?}: {least}");
        assert!(collect(&slabs_of(&path, least).unwrap()).unwrap() == reference(&path), "{form:?}");
    }
}

/// Samples that are files of their own are read once.
#[test]
fn folders_of_meshes() {
    use kolmo::data::Location;
    use kolmo::io::mesh_file::{MeshArray, Number};
    use kolmo::io::mesh_samples::MeshSamples;
    use kolmo::io::vtk::vtu_writer::write_vtu;
    use kolmo::mesh::{CellBlock, CellType, Mesh};
    let folder = TempDir::new().unwrap();
    let samples = folder.path().join("samples");
    fs::create_dir(&samples).unwrap();
    let points: Vec<f64> = (0..N).flat_map(|i| [(i / 2) as f64, (i % 2) as f64, 0.0]).collect();
    let quads: Vec<u32> = (0..N as u32 / 2 - 1).flat_map(|c| [2 * c, 2 * c + 2, 2 * c + 3, 2 * c + 1]).collect();
    let mesh = Mesh { dim: 3, points, cells: vec![CellBlock::new(CellType::Quad, quads)] };
    for s in 0..N_SAMPLES {
        let values: Vec<f64> = (0..N).map(|d| value(s, d)).collect();
        let (location, number) = (Location::Point, Number::Float64);
        let array = MeshArray { name: "u", location, n_components: 1, number, values: &values };
        write_vtu(&samples.join(format!("s{s}.vtu")), &mesh, &[array], &[]).unwrap();
    }
    let source = Arc::new(MeshSamples::open(&samples).unwrap());
    let field = source.fields()[0].clone();
    let order = vec![3, 0, 6, 1];
    let wanted = Mat::from_fn(N, 4, |d, j| value(order[j], d));
    let mut ways = BTreeSet::new();
    for memory in [1_150_000, 1 << 26] {
        let layout = Layout::serial(N);
        let slabs = FieldSlabs::new(source.clone(), field.clone(), order.clone(), layout, memory, folder.path());
        let slabs = slabs.unwrap();
        ways.insert(slabs.way());
        assert!(collect(&slabs).unwrap() == wanted && collect(&slabs).unwrap() == wanted);
    }
    assert_eq!(ways.len(), 2, "{ways:?}");
}

//! Cases of EnSight Gold that are refused, cut off or changed.

use crate::ensight_writer::{FORMS, Form, Out, case_of, plain, points, read_all, written};
use proptest::prelude::*;
use std::fs;
use std::path::Path;

#[test]
fn refusals_of_the_case() {
    let head = "FORMAT\ntype: ensight gold\nGEOMETRY\nmodel: mesh.geo\n";
    let times = "TIME\ntime set: 1\nnumber of steps: 2\ntime values: 0 1\n";
    for (text, code, parts) in [
        ("".to_string(), "K003", &["an empty file"][..]),
        ("hello".into(), "K002", &["no sections"]),
        ("FORMAT\n\0".into(), "K002", &["no sections"]),
        ("FORMAT\n".into(), "K002", &["no type"]),
        (format!("FORMAT\n{}", "a:\n".repeat(20_000)), "K002", &["10000 keys"]),
        ("FORMAT\ntype: ensight\n".into(), "K018", &["EnSight 6", "ensight gold"]),
        ("FORMAT\ntype: pixar\n".into(), "K002", &["`pixar`"]),
        ("FORMAT\ntype: ensight gold\n".into(), "K003", &["GEOMETRY", "no model"]),
        ("FORMAT\ntype: ensight gold\nGEOMETRY\nmodel: none.geo\n".into(), "K001", &["none.geo", "no such file"]),
        ("FORMAT\ntype: ensight gold\nGEOMETRY\nmodel:\n".into(), "K003", &["line 4 (GEOMETRY)", "0 words"]),
        ("FORMAT\ntype: ensight gold\nGEOMETRY\nmodel: 1 mesh.geo\n".into(), "K006", &["time set 1"]),
        (format!("FORMAT\ntype: ensight gold\nGEOMETRY\nmodel: 1 1 mesh.geo\n{times}"), "K018", &["file set"]),
        (
            format!("FORMAT\ntype: ensight gold\nGEOMETRY\nmodel: 1 m* change_coords_only 0\n{times}"),
            "K018",
            &["in one step only"],
        ),
        (format!("{head}VARIABLE\nscalar per node: p\n"), "K003", &["line 6 (VARIABLE)", "1 words"]),
        (format!("{head}VARIABLE\nscalar per node: 3 p p.scl\n{times}"), "K006", &["time set 3", "TIME: 1"]),
        (format!("{head}VARIABLE\nscalar per face: p p.scl\n"), "K006", &["`scalar per face`", "tensor symm"]),
        (format!("{head}VARIABLE\ncomplex scalar per node: p p q 1\n"), "K018", &["complex", "real variables"]),
        (format!("{head}VARIABLE\nconstant per case: a x\n"), "K003", &["`x`", "a number"]),
        (format!("{head}VARIABLE\nconstant per case:\n"), "K003", &["no name"]),
        (format!("{head}VARIABLE\nconstant per case file: a mesh.geo\n"), "K003", &["`a`", "numbers"]),
        (format!("{head}TIME\nnumber of steps: 2\n"), "K003", &["time set:"]),
        (format!("{head}TIME\ntime set: one\n"), "K003", &["`one`", "a number"]),
        (times.replace("0 1", "0") + head, "K005", &["time set 1", "1 time values", "2 as"]),
        (format!("{head}{times}filename numbers: 4\n"), "K005", &["1 filename numbers"]),
        (format!("{head}{times}time values file: t.txt\n"), "K018", &["another file"]),
        (format!("{head}VARIABLE\nscalar per node: 1 p p.{}\n{times}", "*".repeat(70000)), "K001", &["p.000"]),
    ] {
        let mut out = Out::geometry(Form::Ascii, "off");
        out.part(1).points(&points(1, 0.0), &[]).text("point").integers(1, &[1]).integers(1, &[1]);
        let folder = written(&[("a.case", text.clone().into()), ("mesh.geo", out.bytes)]);
        check(folder.path(), code, parts, &text);
    }
}

fn check(folder: &Path, code: &str, parts: &[&str], what: &str) {
    let error = read_all(folder).unwrap_err();
    let message = error.to_string();
    assert_eq!(error.code(), code, "{message}\n{what}");
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[test]
fn refusals_of_geometry_and_variables() {
    for form in FORMS {
        let base = |change: &dyn Fn(&mut Out)| {
            let mut out = Out::geometry(form, "off");
            out.part(1).points(&points(2, 0.0), &[]);
            change(&mut out);
            out
        };
        let huge = i32::MAX;
        type Change = Box<dyn Fn(&mut Out)>;
        let changes: [(Change, &str, &[&str]); 10] = [
            (
                Box::new(|o| {
                    o.text("quad9").integers(1, &[1]);
                }),
                "K003",
                &["part 1, quad9", "`quad9`"],
            ),
            (
                Box::new(|o| {
                    o.text("block").integers(3, &[1, 1, 1]);
                }),
                "K018",
                &["part 1", "`block`", "hexa8"],
            ),
            (
                Box::new(|o| {
                    o.text("bar2").integers(1, &[1]).integers(2, &[1, 3]);
                }),
                "K015",
                &["bar2", "point 3", "1 to 2"],
            ),
            (
                Box::new(|o| {
                    o.text("bar2").integers(1, &[1]).integers(2, &[0, 1]);
                }),
                "K015",
                &["point 0"],
            ),
            (
                Box::new(|o| {
                    o.text("bar2").integers(1, &[-1]);
                }),
                "K003",
                &["part 1, bar2", "found -1"],
            ),
            (
                Box::new(move |o| {
                    o.text("bar2").integers(1, &[huge]);
                }),
                "K003",
                &["part 1, bar2", "4294967294 numbers"],
            ),
            (
                Box::new(move |o| {
                    o.text("nsided").integers(1, &[1]).integers(1, &[huge]);
                }),
                "K003",
                &["nsided", "2147483647"],
            ),
            (
                Box::new(move |o| {
                    o.text("nfaced").integers(1, &[1]).integers(1, &[huge]);
                }),
                "K003",
                &["nfaced", "2147483647"],
            ),
            (
                Box::new(|o| {
                    (0..2).for_each(|_| {
                        o.text("point").integers(1, &[1]).integers(1, &[1]);
                    })
                }),
                "K003",
                &["once"],
            ),
            (
                Box::new(|o| {
                    o.part(1);
                }),
                "K003",
                &["part 1", "a second part"],
            ),
        ];
        for (change, code, parts) in &changes {
            check(case_of(&base(change)).path(), code, parts, &format!("{form:?}"));
        }
        check(case_of(&Out::geometry(form, "maybe")).path(), "K002", &["`node id maybe`", "given"], "");
        let mut steps = Out { form, bytes: Vec::new() };
        if form != Form::Ascii {
            steps.text("C Binary");
        }
        steps.text("BEGIN TIME STEP").text("a");
        check(case_of(&steps).path(), "K018", &["`BEGIN TIME STEP`", "a file for each step"], "");
        let mut fortran = Out { form, bytes: vec![80, 0, 0, 0] };
        fortran.text("Fortran Binary");
        check(case_of(&fortran).path(), "K018", &["Fortran Binary", "C Binary or ASCII"], "");
        check(case_of(&Out { form, bytes: vec![0; 100] }).path(), "K002", &["binary data"], "");

        let folder = written(&plain(form));
        let whole = fs::read(folder.path().join("p.0008.scl")).unwrap();
        let variable = |change: &dyn Fn(&mut Out)| {
            let mut out = Out::variable(form);
            change(&mut out);
            // So long that the values of all parts could be there.
            out.floats(&[0.0; 30]);
            out.bytes
        };
        let part = |o: &mut Out, number: i32, keyword: &str| {
            o.text("part").integers(1, &[number]).text(keyword);
        };
        for (bytes, code, parts) in [
            (whole[..whole.len() / 3].to_vec(), "K003", &["p.0008.scl"][..]),
            (variable(&|o| part(o, 7, "coordinates")), "K005", &["part 7", "parts of the geometry"]),
            (
                variable(&|o| part(o, 1, "coordinates undef")),
                "K018",
                &["part 1", "`coordinates undef`", "without undef"],
            ),
            (variable(&|o| part(o, 1, "coordinates partial")), "K018", &["`coordinates partial`"]),
            (variable(&|o| part(o, 1, "block")), "K018", &["`block`"]),
            (variable(&|o| part(o, 1, "quad4")), "K003", &["`quad4`", "`coordinates`"]),
            (
                variable(&|o| {
                    o.text("coordinates");
                }),
                "K003",
                &["`part`"],
            ),
            (
                variable(&|o| {
                    o.text("BEGIN TIME STEP");
                })
                .split_off(if form == Form::Ascii { 7 } else { 80 }),
                "K018",
                &["BEGIN"],
            ),
            (
                [&whole[..], &whole[if form == Form::Ascii { 7 } else { 80 }..]].concat(),
                "K005",
                &["values a second time"],
            ),
        ] {
            fs::write(folder.path().join("p.0008.scl"), bytes).unwrap();
            check(folder.path(), code, parts, &format!("{form:?}"));
        }
        // Values for one of two parts, in a file that is long enough.
        let mut one = Out::variable(form);
        one.text("part").integers(1, &[4]).text("coordinates").floats(&[0.0; 2]);
        one.text("part").integers(1, &[1]).text("coordinates").floats(&[0.0; 5]);
        one.text("part").integers(1, &[4]).text("coordinates").floats(&[0.0; 2]);
        fs::write(folder.path().join("p.0008.scl"), one.bytes).unwrap();
        check(folder.path(), "K005", &["values of 5 points or cells", "values of 9"], "");
    }
}

#[test]
fn more_parts_than_there_are() {
    let mut many = Out::geometry(Form::Ascii, "off");
    for number in 0..100_001 {
        many.part(number);
    }
    check(case_of(&many).path(), "K018", &["at most 100000 parts"], "");
}

#[test]
fn truncated_anywhere() {
    for form in FORMS {
        let files = plain(form);
        let folder = written(&files);
        read_all(folder.path()).unwrap();
        for (name, whole) in &files {
            let step = 1 + whole.len() / 60;
            for n in (0..whole.len()).step_by(step) {
                fs::write(folder.path().join(name), &whole[..n]).unwrap();
                match read_all(folder.path()) {
                    Err(e) => assert_eq!(e.exit_code(), 2, "{name}, {n} bytes: {e}"),
                    // Part of a text, of the last line of a number, or constants that are fewer.
                    Ok(()) => assert!(form == Form::Ascii || !name.contains(".00"), "{name}, {n} bytes"),
                }
            }
            fs::write(folder.path().join(name), whole).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn mutations_are_read_or_refused(
        form in 0..FORMS.len(),
        changes in prop::collection::vec((0..5usize, any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..6),
    ) {
        let mut files = plain(FORMS[form]);
        for (file, at, byte, how) in changes {
            let bytes = &mut files[file].1;
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, b'0' + byte % 10),
                _ => drop(bytes.remove(at)),
            }
        }
        if let Err(e) = read_all(written(&files).path()) {
            prop_assert!(e.exit_code() == 2, "{e}");
        }
    }
}

use super::*;

/// Each step as `layer:height`, in tens of pixels.
fn drawn(needs: &[&[usize]]) -> Vec<(usize, i32)> {
    let needs: Vec<Vec<usize>> = needs.iter().map(|needs| needs.to_vec()).collect();
    let layout = layout(&needs);
    for (at, a) in layout.steps.iter().enumerate() {
        assert!(a.0 >= 0.0 && a.0 + WIDTH <= layout.width && a.1 >= 0.0 && a.1 + HEIGHT <= layout.height, "{layout:?}");
        for b in &layout.steps[at + 1..] {
            assert!((a.0 - b.0).abs() >= WIDTH || (a.1 - b.1).abs() >= HEIGHT, "two steps overlap: {layout:?}");
        }
    }
    layout.steps.iter().map(|(x, y)| ((x / (WIDTH + ACROSS)) as usize, (y - MARGIN).round() as i32)).collect()
}

#[test]
fn one_step_fills_the_picture() {
    assert_eq!(drawn(&[&[]]), [(0, 0)]);
    assert_eq!(layout(&[vec![]]).width, WIDTH + 2.0 * MARGIN);
}

#[test]
fn a_chain_is_a_straight_line_and_a_fork_is_even() {
    assert_eq!(drawn(&[&[], &[0], &[1]]), [(0, 0), (1, 0), (2, 0)]);
    assert_eq!(drawn(&[&[], &[0], &[0], &[1, 2]]), [(0, 36), (1, 0), (1, 72), (2, 36)]);
}

#[test]
fn needs_that_follow_from_others_are_not_drawn() {
    let layout = layout(&[vec![], vec![0], vec![0, 1]]);
    let lines: Vec<_> = layout.lines.iter().map(|(from, to, _)| (*from, *to)).collect();
    assert_eq!(lines, [(0, 1), (1, 2)]);
}

#[test]
fn a_line_over_a_layer_passes_beside_its_steps() {
    let layout = layout(&[vec![], vec![], vec![0], vec![2, 1]]);
    let (_, _, path) = layout.lines.iter().find(|line| (line.0, line.1) == (1, 3)).unwrap();
    assert!(path.contains(" H"), "{path}");
}

#[test]
fn declaration_order_need_not_be_topological() {
    assert_eq!(drawn(&[&[1], &[]]), [(1, 0), (0, 0)]);
}

#[test]
fn a_hundred_steps_in_any_shape_do_not_overlap() {
    let wide: Vec<Vec<usize>> = (0..100).map(|step| if step == 0 { vec![] } else { vec![0] }).collect();
    let mesh: Vec<Vec<usize>> =
        (0..100_usize).map(|s| (s.saturating_sub(7)..s).filter(|n| n % 3 != s % 3).collect()).collect();
    for needs in [wide, mesh] {
        let needs: Vec<&[usize]> = needs.iter().map(Vec::as_slice).collect();
        assert_eq!(drawn(&needs).len(), 100);
    }
}

#[test]
fn nothing_is_no_picture() {
    assert!(layout(&[]).steps.is_empty());
}

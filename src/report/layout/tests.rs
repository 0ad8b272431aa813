use super::*;

/// Each step as `layer:height`, in tens of pixels.
fn drawn(needs: &[&[PlanIx]]) -> Vec<(usize, i32)> {
    let needs: Vec<Vec<PlanIx>> = needs.iter().map(|needs| needs.to_vec()).collect();
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
    let lines: Vec<_> = layout.lines.iter().map(|line| (line.from, line.to)).collect();
    assert_eq!(lines, [(0, 1), (1, 2)]);
}

#[test]
fn a_line_over_a_layer_passes_beside_its_steps() {
    let layout = layout(&[vec![], vec![], vec![0], vec![2, 1]]);
    let line = layout.lines.iter().find(|line| (line.from, line.to) == (1, 3)).unwrap();
    assert!(line.path.contains(" H"), "{line:?}");
}

#[test]
fn declaration_order_need_not_be_topological() {
    assert_eq!(drawn(&[&[1], &[]]), [(1, 0), (0, 0)]);
}

#[test]
fn two_hundred_steps_in_any_shape_do_not_overlap() {
    let wide: Vec<Vec<PlanIx>> = (0..200).map(|step| if step == 0 { vec![] } else { vec![0] }).collect();
    let mesh: Vec<Vec<PlanIx>> =
        (0..200_u32).map(|s| (s.saturating_sub(7)..s).filter(|n| n % 3 != s % 3).collect()).collect();
    let long: Vec<Vec<PlanIx>> =
        (0..200_u32).map(|s| if s < 100 { s.checked_sub(1).into_iter().collect() } else { vec![s % 7] }).collect();
    for needs in [wide, mesh, long] {
        let needs: Vec<&[PlanIx]> = needs.iter().map(Vec::as_slice).collect();
        assert_eq!(drawn(&needs).len(), 200);
    }
}

#[test]
fn lines_are_untangled() {
    // Without sorting each of the three lines would cross both others.
    let needs = [vec![], vec![], vec![], vec![2], vec![1], vec![0]];
    let layout = layout(&needs);
    let height = |step: usize| layout.steps[step].1;
    assert_eq!([height(3), height(4), height(5)], [height(2), height(1), height(0)]);
}

#[test]
fn a_long_line_is_straight_between_its_ends() {
    let layout = layout(&[vec![], vec![0], vec![1], vec![2], vec![3, 5], vec![]]);
    let line = layout.lines.iter().find(|line| line.from == 5).unwrap();
    // Where each of its curves ends; the last at the step.
    let mut heights: Vec<f32> =
        line.path.split('C').skip(1).map(|c| c.split(' ').nth(5).unwrap().parse().unwrap()).collect();
    heights.pop();
    assert_eq!(heights.len(), 3);
    assert!(heights.iter().all(|y| (y - heights[0]).abs() < 3.0), "{line:?}");
}

#[test]
fn nothing_is_no_picture() {
    assert!(layout(&[]).steps.is_empty());
}

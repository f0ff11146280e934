//! The chart: how the contenders compare with SQLite by number of processes, and what a claim costs as the backlog
//! grows.

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use crate::report::Report;

type Area<'a, 'b> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

const SIZE: (u32, u32) = (960, 380);
const COLOURS: [RGBColor; 4] =
    [RGBColor(31, 119, 180), RGBColor(180, 180, 180), RGBColor(255, 127, 14), RGBColor(44, 160, 44)];

/// Of what was measured; what was not is left out.
pub(crate) fn svg(report: &Report) -> Result<String> {
    let mut text = String::new();
    {
        let whole = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        whole.fill(&WHITE)?;
        let (left, right) = whole.split_horizontally(SIZE.0 / 2);
        speeds(&left, &report.speeds)?;
        backlog(&right, &report.backlog)?;
        whole.present()?;
    }
    Ok(text)
}

/// For each number of processes a bar for each contender.
fn speeds(area: &Area<'_, '_>, speeds: &[(usize, String, f64)]) -> Result<()> {
    let (mut groups, mut names) = (Vec::new(), Vec::new());
    for (processes, name, _) in speeds {
        if !groups.contains(processes) {
            groups.push(*processes);
        }
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    let highest = speeds.iter().map(|(.., speed)| *speed).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption("claim+complete per second, sync off, SQLite = 1", ("sans-serif", 15))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(40)
        .build_cartesian_2d(0.0..groups.len().max(1) as f64, 0.0..highest * 1.15)?;
    let label = |place: &f64| match groups.get(place.floor() as usize) {
        Some(processes) if place.fract() == 0.5 => processes.to_string(),
        _ => String::new(),
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(groups.len() * 2 + 1)
        .x_label_formatter(&label)
        .x_desc("processes")
        .draw()?;
    let width = 0.8 / names.len().max(1) as f64;
    for (place, name) in names.iter().enumerate() {
        let colour = COLOURS.get(place % COLOURS.len()).copied().ok_or_else(|| anyhow!("no colour"))?;
        let bars = speeds.iter().filter(|(_, known, _)| known == name).filter_map(|(processes, _, speed)| {
            let group = groups.iter().position(|group| group == processes)? as f64;
            let left = group + 0.1 + place as f64 * width;
            Some(Rectangle::new([(left, 0.0), (left + width * 0.92, *speed)], colour.filled()))
        });
        chart
            .draw_series(bars)?
            .label(name)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 10, y + 5)], colour.filled()));
    }
    if !names.is_empty() {
        chart.configure_series_labels().position(SeriesLabelPosition::UpperLeft).border_style(BLACK.mix(0.3)).draw()?;
    }
    Ok(())
}

/// A line that should be flat.
fn backlog(area: &Area<'_, '_>, backlog: &[(usize, f64)]) -> Result<()> {
    let points: Vec<(f64, f64)> = backlog.iter().map(|(tasks, seconds)| (*tasks as f64, seconds * 1e3)).collect();
    let highest = points.iter().map(|(_, milliseconds)| *milliseconds).fold(0.1, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption("claim as a whole process, ms", ("sans-serif", 15))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(40)
        .build_cartesian_2d((100.0..1e6).log_scale(), 0.0..highest * 1.5)?;
    chart.configure_mesh().x_desc("tasks that wait").x_label_formatter(&|tasks| format!("{tasks:.0}")).draw()?;
    let [colour, ..] = COLOURS;
    chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?;
    chart.draw_series(points.into_iter().map(|point| Circle::new(point, 4, colour.filled())))?;
    Ok(())
}

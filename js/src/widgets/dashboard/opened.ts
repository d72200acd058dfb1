/** What goes with another feature: what was brushed, picked and filtered was the last one's. */

export function opened(feature: number): Record<string, unknown> {
  return { feature, activation_range: [], token_filter: "", selected_example: null };
}

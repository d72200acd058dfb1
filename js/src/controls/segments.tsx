/** A choice of one among a few: buttons in a row, of which one is pressed. */

interface SegmentsProps {
  /** What is chosen, for those who hear it. */
  name: string;
  values: readonly string[];
  value: string;
  /** What the buttons say, if not the values. */
  texts?: readonly string[];
  onChange: (value: string) => void;
}

export function Segments({ name, values, value, texts = values, onChange }: SegmentsProps) {
  return (
    <fieldset class="saew-segments" aria-label={name}>
      {values.map((one, i) => (
        <button type="button" key={one} aria-pressed={value === one} onClick={() => onChange(one)}>
          {texts[i]}
        </button>
      ))}
    </fieldset>
  );
}

# Reads a formula as Homebrew would, and prints what it says:
#
#   ruby formula.rb kv.rb          version, homepage and license, and the URL and checksum for each system
#   ruby formula.rb kv.rb DIR      what it installs from DIR, where its archive was unpacked
class Formula
  class << self
    attr_reader :said

    def inherited(subclass)
      super
      subclass.instance_variable_set(:@said, {})
    end

    %i[desc homepage version license url sha256].each do |name|
      define_method(name) { |value = nil| value ? @said[name] = value : @said[name] }
    end

    { on_macos: "darwin", on_linux: "linux" }.each do |name, system|
      define_method(name) { |&block| block.call if system == $system }
    end

    { on_intel: "amd64", on_arm: "arm64" }.each do |name, arch|
      define_method(name) { |&block| block.call if arch == $arch }
    end

    def test; end
  end

  # A directory that files are installed to.
  Target = Struct.new(:name) do
    def install(files)
      pairs = files.is_a?(Hash) ? files.to_a : Array(files).map { |file| [file, File.basename(file)] }
      raise "nothing to install to #{name}" if pairs.empty?

      pairs.each do |file, as|
        raise "no file #{file}" unless File.file?(file)

        puts "#{name} #{as}"
      end
    end
  end

  %i[bin man1 bash_completion zsh_completion fish_completion].each do |name|
    define_method(name) { Target.new(name) }
  end
end

file, dir = ARGV
%w[darwin/amd64 darwin/arm64 linux/amd64 linux/arm64].each do |platform|
  $system, $arch = platform.split("/")
  Object.send(:remove_const, :Kv) if Object.const_defined?(:Kv)
  load file
  puts "#{platform} #{Kv.url} #{Kv.sha256}"
end
puts "#{Kv.version} #{Kv.homepage} #{Kv.license}"
Dir.chdir(dir) { Kv.new.install } if dir
